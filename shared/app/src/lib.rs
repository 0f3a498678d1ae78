//! What a running function is made of: its connections, keys and clock, built once from its configuration.

mod attempt;
mod clock;
pub mod config;
mod cursor;
mod identity;
mod link;
mod parts;
mod queue;
mod secret;
mod verification;
mod work;

pub use attempt::Failed;
pub use clock::Clock;
pub use config::{Config, ConfigError};
pub use cursor::Cursors;
pub use identity::{Identities, SignInError};
pub use link::Links;
pub use parts::{
    App, Exporting, FileWeb, Importing, InviteWeb, Mailing, Part, PlatformWeb, Relaying, Sealing, Web,
};
pub use queue::{Queue, QueueError};
pub use secret::token_secret;
pub use verification::{Days, Unverified, Verdict, Verification};
pub use work::{Report, work_off};
