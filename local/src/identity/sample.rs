//! The key that signed the tokens in `events/`. Its private half was thrown away: nobody can sign anything else with it, and
//! what it signed names this provider on its default address as issuer, which no provider elsewhere is.

use serde_json::{Value, json};

/// The public half, as the key set publishes it.
pub(super) fn key() -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "use": "sig",
        "alg": "ES256",
        "kid": "FZ8OFCMXHInr_ZkboTxHwxEG4TBD6s_CbTvfCGLkksY",
        "x": "6of4hWgjyhguSz-GXlAGkbiXXjKnc0iYiAOCrkPE7eY",
        "y": "pflOXoo6D2JLiXDwYzy1k4mPdF-_augE9HPJO01NPrg",
    })
}
