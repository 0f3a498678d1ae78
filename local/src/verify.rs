//! `portal-local verify-audit`: checks an organization's audit log from outside of the product, here or in the cloud.

use std::fmt::Write as _;

use portal_app::config::AUDIT_PUBLIC_KEYS;
use portal_app::{Config, Days, Part as _, Sealing, Verdict, Verification};
use portal_signing::PublicKey;

use crate::stack::Failure;

/// Verifies a log with the configuration of the environment.
///
/// # Errors
/// When the configuration is not complete, or what it names cannot be read.
pub async fn run(organization: &str, days: Option<Days>) -> Result<Verdict, Failure> {
    verify(&Config::from_env().await, organization, days).await
}

/// Verifies a log with `config`: by the public keys that it gives, or by the key service's.
///
/// # Errors
/// As [`run`].
pub async fn verify(config: &Config, organization: &str, days: Option<Days>) -> Result<Verdict, Failure> {
    let organization = organization.parse().map_err(|_| "that is no organization's id")?;
    let sealing = Sealing::build(config)?;
    let mut trusted = Vec::new();
    for file in config.list(&AUDIT_PUBLIC_KEYS)? {
        let text = std::fs::read_to_string(&file)?;
        let key =
            PublicKey::from_pem(&text).ok_or_else(|| format!("{file} is no P-256 public key in PEM"))?;
        trusted.push(key);
    }
    if trusted.is_empty() {
        trusted.push(sealing.signer.public_key().await?);
    }
    let verification = Verification {
        store: &sealing.app.store,
        segments: &sealing.segments,
        trusted: &trusted,
        now: config.clock.now(),
    };
    Ok(verification.verify(organization, days).await?)
}

/// A verdict for people.
#[must_use]
pub fn told(verdict: &Verdict) -> String {
    let Verdict {
        events,
        segments,
        sealed,
        last,
        waiting,
        findings,
    } = verdict;
    let mut text = format!(
        "{events} events compared, {segments} segments proven; sealed until number {sealed}, chained until {last}, {waiting} waiting."
    );
    if findings.is_empty() {
        text.push_str("\nThe log verifies.");
    }
    for finding in findings {
        let seq = finding
            .seq
            .map_or_else(String::new, |seq| format!(" at number {seq}"));
        let event = finding
            .event
            .map_or_else(String::new, |event| format!(", {event}"));
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{}{seq}{event}", finding.fault.as_str());
    }
    text
}
