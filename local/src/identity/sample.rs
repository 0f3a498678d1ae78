//! The keys that signed the tokens in `events/`. Their private halves were thrown away: nobody can sign anything else with them, and
//! what they signed names this provider on its default address as issuer, which no provider elsewhere is.

use serde_json::{Value, json};

/// The public halves, as the key set publishes them: of the members' tokens, and of the operator's.
pub(super) fn keys() -> [Value; 2] {
    let key = |id: &str, x: &str, y: &str| json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id, "x": x, "y": y });
    [
        key(
            "FZ8OFCMXHInr_ZkboTxHwxEG4TBD6s_CbTvfCGLkksY",
            "6of4hWgjyhguSz-GXlAGkbiXXjKnc0iYiAOCrkPE7eY",
            "pflOXoo6D2JLiXDwYzy1k4mPdF-_augE9HPJO01NPrg",
        ),
        key(
            "v6XlpHuMR-WZqNBxLeXRyaNQ-r7_biJQr-LAgTgMOQY",
            "n4SMuIqDyc1e5X0dKidfdiM5tDJPhz_kVenZ_SReToM",
            "wKgCrLN8utuDtywrhK9S3Zmu0ESKZHhQMloVe9DlqGw",
        ),
    ]
}
