//! What each kind of function has. A part that is not configured means no start: there is no half a function.

use std::sync::Arc;

use portal_documents::Documents;
use portal_domain::email::EmailAddress;
use portal_mail::mailer::Mailer;
use portal_mail::sender::Sender;
use portal_signing::Signer;
use portal_store::Store;

use crate::clock::Clock;
use crate::config::{
    ALLOWED_ORIGINS, AUDIT_BUCKET, AUDIT_KEY, Config, ConfigError, DOCUMENTS_BUCKET, EXPORT_QUEUE_URL,
    IMPORT_QUEUE_URL, MAIL_CONFIGURATION_SET, MAIL_QUEUE_URL, MAIL_SENDER, PLATFORM_OPERATORS, SERVER_TIMING,
    TABLE_NAME,
};
use crate::cursor::Cursors;
use crate::identity::Identities;
use crate::link::Links;
use crate::queue::Queue;

/// Something that is built from configuration, once per process.
pub trait Part: Clone + Send + Sync + 'static {
    /// Builds it.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable that is missing or wrong.
    fn build(config: &Config) -> Result<Self, ConfigError>;

    /// Opens connections and fetches keys while start-up is cheap. Failures are no matter.
    fn warm_up(&self) -> impl Future<Output = ()> + Send;
}

/// What every function has.
#[derive(Debug, Clone)]
pub struct App {
    /// The table.
    pub store: Store,
    /// The time.
    pub clock: Clock,
}

impl Part for App {
    fn build(config: &Config) -> Result<Self, ConfigError> {
        let dynamodb = aws_sdk_dynamodb::Config::new(&config.aws);
        Ok(Self {
            store: Store::new(&dynamodb, config.get(&TABLE_NAME)?),
            clock: config.clock.clone(),
        })
    }

    async fn warm_up(&self) {
        self.store.warm_up().await;
    }
}

impl Part for Documents {
    fn build(config: &Config) -> Result<Self, ConfigError> {
        let s3 = aws_sdk_s3::Config::new(&config.aws);
        Ok(Self::new(&s3, config.get(&DOCUMENTS_BUCKET)?))
    }

    /// Nothing: most requests of a function with documents need none.
    async fn warm_up(&self) {}
}

/// What functions behind the API have.
#[derive(Debug, Clone)]
pub struct Web {
    /// The table.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Who callers are.
    pub identities: Identities,
    /// The seal of list cursors.
    pub cursors: Cursors,
    /// The web origins that may call.
    pub origins: Arc<[String]>,
    /// Whether answers tell their cost.
    pub server_timing: bool,
}

impl Part for Web {
    fn build(config: &Config) -> Result<Self, ConfigError> {
        let App { store, clock } = App::build(config)?;
        Ok(Self {
            store,
            clock,
            identities: Identities::new(config)?,
            cursors: Cursors::new(config)?,
            origins: config.list(&ALLOWED_ORIGINS)?.into(),
            server_timing: config.get(&SERVER_TIMING)? == "true",
        })
    }

    async fn warm_up(&self) {
        tokio::join!(self.store.warm_up(), self.identities.warm_up());
    }
}

impl AsRef<Self> for Web {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// What the function for invites has.
#[derive(Debug, Clone)]
pub struct InviteWeb {
    /// What all functions behind the API have.
    pub web: Web,
    /// The keys of links.
    pub links: Links,
}

impl Part for InviteWeb {
    fn build(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            web: Web::build(config)?,
            links: Links::new(config)?,
        })
    }

    async fn warm_up(&self) {
        self.web.warm_up().await;
    }
}

impl AsRef<Web> for InviteWeb {
    fn as_ref(&self) -> &Web {
        &self.web
    }
}

/// What the platform operator's function has.
#[derive(Debug, Clone)]
pub struct PlatformWeb {
    /// What all functions behind the API have.
    pub web: Web,
    /// The addresses of the operators.
    pub operators: Arc<[EmailAddress]>,
}

impl Part for PlatformWeb {
    fn build(config: &Config) -> Result<Self, ConfigError> {
        let operators = config.list(&PLATFORM_OPERATORS)?;
        let operators = operators.iter().map(|address| address.parse());
        let operators: Vec<EmailAddress> = operators
            .collect::<Result<_, _>>()
            .map_err(|_| ConfigError::Invalid(PLATFORM_OPERATORS.name, "not e-mail addresses".to_owned()))?;
        Ok(Self {
            web: Web::build(config)?,
            operators: operators.into(),
        })
    }

    async fn warm_up(&self) {
        self.web.warm_up().await;
    }
}

impl AsRef<Web> for PlatformWeb {
    fn as_ref(&self) -> &Web {
        &self.web
    }
}

/// What functions behind the API have that hand out links to files.
#[derive(Debug, Clone)]
pub struct FileWeb {
    /// What all functions behind the API have.
    pub web: Web,
    /// The files.
    pub documents: Documents,
}

impl Part for FileWeb {
    fn build(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            web: Web::build(config)?,
            documents: Documents::build(config)?,
        })
    }

    async fn warm_up(&self) {
        self.web.warm_up().await;
    }
}

impl AsRef<Web> for FileWeb {
    fn as_ref(&self) -> &Web {
        &self.web
    }
}

/// What the writer of exports has.
#[derive(Debug, Clone)]
pub struct Exporting {
    /// The table.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The files.
    pub documents: Documents,
}

impl Part for Exporting {
    fn build(config: &Config) -> Result<Self, ConfigError> {
        let App { store, clock } = App::build(config)?;
        Ok(Self {
            store,
            clock,
            documents: Documents::build(config)?,
        })
    }

    async fn warm_up(&self) {
        self.store.warm_up().await;
    }
}

/// What takes files of lines has.
#[derive(Debug, Clone)]
pub struct Importing {
    /// The table.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The files.
    pub documents: Documents,
    /// The queue that it is called by: what a run leaves, it sends on.
    pub queue: Queue,
}

impl Part for Importing {
    fn build(config: &Config) -> Result<Self, ConfigError> {
        let App { store, clock } = App::build(config)?;
        let client = aws_sdk_sqs::Client::new(&config.aws);
        Ok(Self {
            store,
            clock,
            documents: Documents::build(config)?,
            queue: Queue::new(client, config.get(&IMPORT_QUEUE_URL)?),
        })
    }

    async fn warm_up(&self) {
        self.store.warm_up().await;
    }
}

/// What the mail sender has.
#[derive(Debug, Clone)]
pub struct Mailing {
    /// The table.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The keys of links.
    pub links: Links,
    /// The mail service.
    pub mailer: Mailer,
}

impl Part for Mailing {
    fn build(config: &Config) -> Result<Self, ConfigError> {
        let App { store, clock } = App::build(config)?;
        let sender: Sender = config
            .get(&MAIL_SENDER)?
            .parse()
            .map_err(|error| ConfigError::Invalid(MAIL_SENDER.name, format!("{error}")))?;
        let configuration_set =
            Some(config.get(&MAIL_CONFIGURATION_SET)?.to_owned()).filter(|name| !name.is_empty());
        let mailer = Mailer::new(aws_sdk_ses::Client::new(&config.aws), sender, configuration_set);
        Ok(Self {
            store,
            clock,
            links: Links::new(config)?,
            mailer,
        })
    }

    async fn warm_up(&self) {
        self.store.warm_up().await;
    }
}

/// What the relay has.
#[derive(Debug, Clone)]
pub struct Relaying {
    /// The table.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The queue of mails to send.
    pub mail_queue: Queue,
    /// The queue of exports to write.
    pub export_queue: Queue,
}

impl Part for Relaying {
    fn build(config: &Config) -> Result<Self, ConfigError> {
        let App { store, clock } = App::build(config)?;
        let client = aws_sdk_sqs::Client::new(&config.aws);
        Ok(Self {
            store,
            clock,
            mail_queue: Queue::new(client.clone(), config.get(&MAIL_QUEUE_URL)?),
            export_queue: Queue::new(client, config.get(&EXPORT_QUEUE_URL)?),
        })
    }

    async fn warm_up(&self) {
        self.store.warm_up().await;
    }
}

/// What seals audit chains has.
#[derive(Debug, Clone)]
pub struct Sealing {
    /// The table and the time.
    pub app: App,
    /// The segments, in a bucket of their own.
    pub segments: Documents,
    /// The key that signs checkpoints.
    pub signer: Signer,
}

impl Part for Sealing {
    fn build(config: &Config) -> Result<Self, ConfigError> {
        let s3 = aws_sdk_s3::Config::new(&config.aws);
        let kms = aws_sdk_kms::Config::new(&config.aws);
        Ok(Self {
            app: App::build(config)?,
            segments: Documents::new(&s3, config.get(&AUDIT_BUCKET)?),
            signer: Signer::new(&kms, config.get(&AUDIT_KEY)?),
        })
    }

    async fn warm_up(&self) {
        self.app.warm_up().await;
    }
}
