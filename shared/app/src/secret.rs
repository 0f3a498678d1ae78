//! Secrets that are shown once.

use portal_domain::token::TokenSecret;

/// A new secret of a service token; `None` if the system has no randomness to give.
#[must_use]
pub fn token_secret() -> Option<TokenSecret> {
    let bytes: [u8; 32] = aws_lc_rs::rand::generate(&aws_lc_rs::rand::SystemRandom::new())
        .ok()?
        .expose();
    Some(TokenSecret::of(&bytes))
}
