//! What the product says by e-mail: the words per language, their form on the wire, and the provider that sends them.
//!
//! [`invite::InviteMail`] renders to a subject, a text and an HTML part; [`outgoing::Outgoing`] makes one MIME message for one
//! recipient of them; [`mailer::Mailer`] hands it to SES; [`feedback::parse`] reads what SES reports later.

mod catalogue;
mod date;
mod inert;
mod template;

pub mod feedback;
pub mod invite;
pub mod mailer;
pub mod outgoing;
pub mod sender;
pub mod tags;
