//! The key service: one asymmetric key that signs, kept across restarts, and what the client asks of it.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use portal_signing::PublicKey;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::{Faults, Kind};
use crate::identity::key::{KeyError, document_in_file, new_document};

/// The only key's name.
pub const KEY: &str = "alias/portal-local-audit";

/// The key service; clones share it.
#[derive(Clone)]
pub struct Kms(Arc<Inner>);

struct Inner {
    pair: EcdsaKeyPair,
    public: PublicKey,
    faults: Faults,
}

/// What is asked of the service.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked {
    key_id: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    message_type: Option<String>,
    #[serde(default)]
    signing_algorithm: Option<String>,
    #[serde(default)]
    signature: String,
}

impl Kms {
    /// The service with its key, from a file or made for as long as it runs.
    ///
    /// # Errors
    /// When the key's file cannot be read or written.
    pub fn open(faults: &Faults, file: Option<&Path>) -> Result<Self, KeyError> {
        let document = match file {
            Some(path) => document_in_file(path)?,
            None => new_document()?,
        };
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &document)
            .map_err(|_| KeyError::Unusable)?;
        let public = PublicKey::from_point(pair.public_key().as_ref()).ok_or(KeyError::Unusable)?;
        Ok(Self(Arc::new(Inner {
            pair,
            public,
            faults: faults.clone(),
        })))
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// `POST /_local/aws/kms/`, as the client speaks to the service.
    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/_local/aws/kms/", post(endpoint))
            .with_state(self.clone())
    }

    fn answer(&self, operation: &str, asked: &Asked) -> Result<Value, Refused> {
        if asked.key_id != KEY {
            return Err(Refused("NotFoundException", "there is no such key"));
        }
        let algorithm = asked.signing_algorithm.as_deref();
        match operation {
            "GetPublicKey" => Ok(json!({
                "KeyId": KEY,
                "KeySpec": "ECC_NIST_P256",
                "KeyUsage": "SIGN_VERIFY",
                "SigningAlgorithms": ["ECDSA_SHA_256"],
                "PublicKey": BASE64_STANDARD.encode(self.0.public.to_der()),
            })),
            "Sign" | "Verify" if algorithm != Some("ECDSA_SHA_256") => {
                Err(Refused("ValidationException", "the key signs with ECDSA_SHA_256"))
            }
            "Sign" => {
                let signature = self.sign(asked)?;
                Ok(json!({
                    "KeyId": KEY,
                    "SigningAlgorithm": "ECDSA_SHA_256",
                    "Signature": BASE64_STANDARD.encode(signature),
                }))
            }
            "Verify" => {
                let signature = decoded(&asked.signature)?;
                let key = UnparsedPublicKey::new(
                    &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1,
                    self.0.pair.public_key().as_ref(),
                );
                let message = decoded(&asked.message)?;
                let verified = match asked.message_type.as_deref() {
                    Some("DIGEST") => {
                        let digest = imported(&message)?;
                        key.verify_digest(&digest, &signature)
                    }
                    _ => key.verify(&message, &signature),
                };
                match verified {
                    Ok(()) => Ok(
                        json!({ "KeyId": KEY, "SignatureValid": true, "SigningAlgorithm": "ECDSA_SHA_256" }),
                    ),
                    Err(_) => Err(Refused("KMSInvalidSignatureException", "it is another's")),
                }
            }
            _ => Err(Refused("UnsupportedOperationException", "not served here")),
        }
    }

    fn sign(&self, asked: &Asked) -> Result<Vec<u8>, Refused> {
        let message = decoded(&asked.message)?;
        let signed = match asked.message_type.as_deref() {
            Some("DIGEST") => {
                let digest = imported(&message)?;
                self.0.pair.sign_digest(&digest)
            }
            Some("RAW") | None if message.len() <= 4_096 => self.0.pair.sign(&SystemRandom::new(), &message),
            _ => return Err(Refused("ValidationException", "a message of 4 KB, or a digest")),
        };
        let signature = signed.map_err(|_| Refused("KMSInternalException", "it cannot be signed"))?;
        Ok(signature.as_ref().to_vec())
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, Refused> {
    BASE64_STANDARD
        .decode(text)
        .map_err(|_| Refused("SerializationException", "not base64"))
}

fn imported(bytes: &[u8]) -> Result<aws_lc_rs::digest::Digest, Refused> {
    aws_lc_rs::digest::Digest::import_less_safe(bytes, &aws_lc_rs::digest::SHA256)
        .map_err(|_| Refused("ValidationException", "not a SHA-256"))
}

/// The name of an exception, and why.
struct Refused(&'static str, &'static str);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(name, why) = self;
        let status = if name == "KMSInternalException" {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::BAD_REQUEST
        };
        (status, Json(json!({ "__type": name, "message": why }))).into_response()
    }
}

async fn endpoint(State(kms): State<Kms>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let operation = target
        .and_then(|target| target.strip_prefix("TrentService."))
        .unwrap_or_default();
    if kms.0.faults.draw(Kind::KeysDown, operation).is_some() {
        return Refused("KMSInternalException", "come back later").into_response();
    }
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
        return Refused("SerializationException", "the request cannot be read").into_response();
    };
    kms.answer(operation, &asked)
        .map_or_else(Refused::into_response, |answer| Json(answer).into_response())
}
