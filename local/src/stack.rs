//! The whole stack, wired: table, stream, queues, mailbox, identity provider, schedules and gateway on one port.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use portal_app::{App, Clock, Config, Part};
use portal_documents::UPLOADS;
use portal_domain::lease::MOST_ATTEMPTS;
use portal_store::table;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tower::ServiceExt as _;

use crate::consumer::Consumer;
use crate::dynamodb::Dynamo;
use crate::faults::Faults;
use crate::functions::{self, BehindGateway};
use crate::gateway::Gateway;
use crate::identity::{Identity, Settings};
use crate::jobs::Jobs;
use crate::kms::{self, Kms};
use crate::mailbox::Mailbox;
use crate::objects::{Locking, Objects};
use crate::queues::{Delivery, Queues};
use crate::stream::{Mapping, Stream, StreamError};
use crate::template::Template;
use crate::{clock, loopback};

/// The table's name.
pub const TABLE: &str = "portal";
/// Who acts for the platform.
pub const OPERATOR: &str = "operator@portal.example";
/// The only client of the development identity provider.
pub const CLIENT: &str = "portal-local";
/// The name that account ids are made from.
pub const ISSUER_NAME: &str = "local";

/// The queue between the outbox and the mail sender.
pub const MAIL_QUEUE: &str = "mail";
/// The queue of what the mail service says of mails.
pub const FEEDBACK_QUEUE: &str = "mail-feedback";
/// The queue between the outbox and the writer of exports.
pub const EXPORT_QUEUE: &str = "exports";
/// The queue between the bucket and what takes imports.
pub const IMPORT_QUEUE: &str = "imports";
/// The bucket of documents.
pub const BUCKET: &str = "portal-documents";
/// The bucket of sealed audit segments.
pub const AUDIT_BUCKET: &str = "portal-audit";

/// Keys for this machine only, the same at every start so that links and cursors outlive a restart. They open nothing elsewhere.
const LINK_KEYS: &str =
    r#"{"current":"local","keys":{"local":"b3BlbiBrZXkgZm9yIHRoZSBsb2NhbCBzdGFjayBvbmx5IQ=="}}"#;
const CURSOR_KEY: &str = "bG9jYWwgY3Vyc29yczogb3BlbiB0byBldmVyeWJvZHk=";

/// How a stack is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Where data is kept; nothing is kept without.
    pub data: Option<PathBuf>,
    /// In how many sandboxes each function runs.
    pub sandboxes: usize,
    /// Whether jobs run by the clock; they always run when asked.
    pub schedules: bool,
    /// Whether what changes goes on to the functions behind the stream; else nothing is ever mailed or counted, and rules find nothing.
    pub follows: bool,
    /// The address that the identity provider says it has, if not its own.
    pub issuer_base: Option<String>,
    /// Whether the identity provider serves its keys when the functions start.
    pub keys: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            data: None,
            sandboxes: 2,
            schedules: false,
            follows: true,
            issuer_base: None,
            keys: true,
        }
    }
}

/// A running stack. It ends when it is dropped.
pub struct Stack {
    /// Its address, without a slash at the end.
    pub base: String,
    /// Its clock.
    pub clock: Clock,
    /// The faults it makes.
    pub faults: Faults,
    /// The table.
    pub dynamo: Dynamo,
    /// The table's stream.
    pub stream: Stream,
    /// The queues.
    pub queues: Queues,
    /// The mails that were sent.
    pub mailbox: Mailbox,
    /// The object store.
    pub objects: Objects,
    /// The key service.
    pub kms: Kms,
    /// The identity provider.
    pub identity: Identity,
    /// A function's own view of the table, for tests and demo data.
    pub app: App,
    configs: Vec<Config>,
    jobs: Jobs,
    tasks: Vec<AbortHandle>,
}

/// A stack that cannot start.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Stack {
    /// Starts a stack; it serves when this returns.
    ///
    /// # Errors
    /// When the port is taken, or the data cannot be opened.
    pub async fn start(options: Options) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let in_data = |name: &str| options.data.as_ref().map(|data| data.join(name));
        if let Some(data) = &options.data {
            std::fs::create_dir_all(data)?;
        }
        let clock = Clock::system();
        let faults = Faults::default();

        let template = Template::built_in()?;
        let dynamo = Dynamo::open(in_data("table.sqlite").as_deref(), &clock, &faults, &template)?;
        dynamo.create_table(&table::definition(TABLE), Some(&table::time_to_live(TABLE)))?;
        let stream = Stream::new(&dynamo, TABLE, &faults, in_data("stream.json").as_deref());
        let queues = Queues::new(&clock);
        queues.create(MAIL_QUEUE, mail_delivery());
        queues.create(FEEDBACK_QUEUE, mail_delivery());
        queues.create(EXPORT_QUEUE, export_delivery());
        queues.create(IMPORT_QUEUE, import_delivery());
        let objects = Objects::new(&clock, &faults, &queues, in_data("objects").as_deref(), &template);
        objects.create(BUCKET)?;
        objects.create_locking(AUDIT_BUCKET, locking(&template))?;
        let kms = Kms::open(&faults, in_data("kms.key").as_deref())?;
        objects.tell(BUCKET, UPLOADS, IMPORT_QUEUE);
        let feedback = queues.clone();
        let feedback = Arc::new(move |event: Value| {
            if let Err(error) = feedback.send(FEEDBACK_QUEUE, &event.to_string()) {
                tracing::warn!(%error, "feedback was not queued");
            }
        });
        let mailbox = Mailbox::new(&clock, &faults, in_data("mails.jsonl").as_deref(), feedback);
        let settings = Settings {
            base: options.issuer_base.clone().unwrap_or_else(|| base.clone()),
            issuer_name: ISSUER_NAME.to_owned(),
            clients: vec![CLIENT.to_owned()],
        };
        let identity = Identity::open(settings, &clock, in_data("identity.key").as_deref())?;
        identity.serve_key_set(options.keys);

        let mut configs = Vec::new();
        for _ in 0..options.sandboxes.max(1) {
            configs.push(config(&base, &identity, &clock).await);
        }
        let timeout = template.at("/Globals/Function/Timeout").as_u64();
        let timeout = Duration::from_secs(timeout.ok_or("the template names no timeout")?);
        let BehindGateway { routes, warm_up } = functions::behind_gateway(&configs)?;
        let gateway = Gateway::new(&clock, timeout, routes);
        let consumers = functions::consumers(&configs[0])?;
        let scheduled = subscribed(consumers, &stream, &queues, options.follows);
        let jobs = Jobs::new(&clock, scheduled);

        let deliveries = (stream.clone(), queues.clone());
        let mailbox_router = mailbox
            .router()
            .layer(axum::middleware::from_fn_with_state(deliveries, deliver_first));
        let aws = dynamo
            .router()
            .merge(queues.router())
            .merge(kms.router())
            .merge(mailbox_router);
        let local = one_endpoint(&aws)
            .merge(aws)
            .merge(objects.router())
            .merge(stream.router())
            .merge(identity.router())
            .merge(faults.router())
            .merge(clock::router(&clock))
            .merge(jobs.router())
            .route("/invites/accept", axum::routing::get(accept_page))
            .layer(axum::middleware::from_fn(loopback::guard));
        let service = local
            .merge(gateway.router())
            .into_make_service_with_connect_info::<SocketAddr>();
        let mut tasks = vec![
            tokio::spawn(async move { axum::serve(listener, service).await }).abort_handle(),
            tokio::spawn(stream.clone().run()).abort_handle(),
            tokio::spawn(queues.clone().run()).abort_handle(),
        ];
        if options.schedules {
            tasks.push(tokio::spawn(jobs.clone().run_hourly()).abort_handle());
            tasks.push(tokio::spawn(sweep(dynamo.clone())).abort_handle());
        }
        // As the runtime does before the first request, which else waits for keys with all that come at the same time.
        join_all(warm_up).await;
        let app = App::build(&configs[0])?;
        Ok(Self {
            base,
            clock,
            faults,
            dynamo,
            stream,
            queues,
            mailbox,
            objects,
            kms,
            identity,
            app,
            configs,
            jobs,
            tasks,
        })
    }

    /// What a function in sandbox `number` is configured with.
    ///
    /// # Panics
    /// When there is no such sandbox.
    #[must_use]
    pub fn config(&self, number: usize) -> &Config {
        &self.configs[number]
    }

    /// Runs a job and gives its report; `None` if there is no such job.
    pub async fn run_job(&self, name: &str) -> Option<Result<Value, String>> {
        self.jobs.run(name).await
    }

    /// Waits until the stream and the queues have delivered all there is.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub async fn settle(&self) -> Result<(), Failure> {
        Ok(settle(&self.stream, &self.queues).await?)
    }

    /// The environment in which a function of this stack runs outside of it, such as under cargo-lambda.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        let mut all = variables(&self.base, &self.identity);
        all.extend(
            [
                ("AWS_ENDPOINT_URL", format!("{}/_local/aws", self.base)),
                ("AWS_ENDPOINT_URL_S3", self.base.clone()),
                ("AWS_REGION", "eu-central-1".to_owned()),
                ("AWS_ACCESS_KEY_ID", "local".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        all
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Hands stream and queues to those of `consumers` that they call; those that schedules call are left.
fn subscribed(
    consumers: Vec<(&'static str, Consumer)>,
    stream: &Stream,
    queues: &Queues,
    follows: bool,
) -> Vec<(&'static str, Consumer)> {
    let mut scheduled = Vec::new();
    for (name, consumer) in consumers {
        match name {
            "relay" | "project-changes" if !follows => {}
            "relay" => stream.register(name, relay_mapping(), consumer),
            "project-changes" => stream.register(name, project_changes_mapping(), consumer),
            "send-mail" => {
                queues.register(MAIL_QUEUE, consumer.clone());
                queues.register(FEEDBACK_QUEUE, consumer);
            }
            "write-exports" => queues.register(EXPORT_QUEUE, consumer),
            "run-imports" => queues.register(IMPORT_QUEUE, consumer),
            _ => scheduled.push((name, consumer)),
        }
    }
    scheduled
}

/// What the template says of the locks in the bucket of audit segments.
fn locking(template: &Template) -> Locking {
    let properties = template.at("/Resources/AuditBucket/Properties");
    Locking::of(properties, |name| {
        template.at(&format!("/Parameters/{name}/Default")).clone()
    })
}

async fn settle(stream: &Stream, queues: &Queues) -> Result<(), StreamError> {
    let mut quiet = 0;
    // Others deliver, too: what one of them took from a queue may have reached the stream after this has looked there.
    while quiet < 2 {
        let relayed = stream.drain().await?;
        let sent = queues.drain().await;
        let is_quiet = relayed == 0 && sent == 0;
        quiet = if is_quiet { quiet + 1 } else { 0 };
    }
    Ok(())
}

/// Lets mails that are on their way arrive before somebody looks for them.
async fn deliver_first(
    State((stream, queues)): State<(Stream, Queues)>,
    request: Request,
    next: Next,
) -> Response {
    // Only whoever reads: the mails arrive here, too.
    if request.method() == Method::GET
        && let Err(error) = settle(&stream, &queues).await
    {
        tracing::warn!(%error, "mails may be missing");
    }
    next.run(request).await
}

/// As the template gives up mails and feedback; pauses are shorter here.
#[must_use]
pub fn mail_delivery() -> Delivery {
    Delivery {
        max_receive_count: 10,
        ..Delivery::default()
    }
}

/// As the template gives up exports: once more than they are tried, so that the last reception says that they are given up.
#[must_use]
pub fn export_delivery() -> Delivery {
    Delivery {
        max_receive_count: MOST_ATTEMPTS + 1,
        ..Delivery::default()
    }
}

/// As the template gives up imports: a message comes again when its run died, and those that come further are not counted.
#[must_use]
pub fn import_delivery() -> Delivery {
    Delivery {
        max_receive_count: 20,
        ..Delivery::default()
    }
}

/// As the template maps the stream to the relay.
#[must_use]
pub fn relay_mapping() -> Mapping {
    let kinds = [
        portal_store::entity::outbox::KIND,
        portal_store::entity::feed::KIND,
        portal_store::entity::audit::KIND,
    ];
    let filter = json!({ "eventName": ["INSERT"], "dynamodb": { "NewImage": { "kind": { "S": kinds } } } });
    Mapping {
        batch_size: 100,
        retries: 8,
        filters: vec![filter],
        ..Mapping::default()
    }
}

/// As the template maps the stream to the statistics.
#[must_use]
pub fn project_changes_mapping() -> Mapping {
    let kinds = portal_store::entity::action::KINDS;
    let filter =
        json!({ "eventName": ["INSERT", "MODIFY"], "dynamodb": { "NewImage": { "kind": { "S": kinds } } } });
    Mapping {
        batch_size: 100,
        retries: 8,
        filters: vec![filter],
        ..Mapping::default()
    }
}

fn variables(base: &str, identity: &Identity) -> BTreeMap<String, String> {
    [
        ("TABLE_NAME", TABLE.to_owned()),
        ("PORTAL_URL", base.to_owned()),
        ("IDENTITY_ISSUER", identity.issuer()),
        ("IDENTITY_ISSUER_NAME", ISSUER_NAME.to_owned()),
        ("IDENTITY_AUDIENCE", CLIENT.to_owned()),
        ("IDENTITY_JWKS_URL", format!("{base}/_local/oidc/jwks.json")),
        ("LINK_KEYS", LINK_KEYS.to_owned()),
        ("CURSOR_KEY", CURSOR_KEY.to_owned()),
        ("ALLOWED_ORIGINS", format!("{base},http://127.0.0.1:5173")),
        (
            "MAIL_SENDER",
            "Organization Portal <portal@portal.example>".to_owned(),
        ),
        ("MAIL_QUEUE_URL", format!("{base}/_local/aws/sqs/{MAIL_QUEUE}")),
        (
            "EXPORT_QUEUE_URL",
            format!("{base}/_local/aws/sqs/{EXPORT_QUEUE}"),
        ),
        (
            "IMPORT_QUEUE_URL",
            format!("{base}/_local/aws/sqs/{IMPORT_QUEUE}"),
        ),
        ("DOCUMENTS_BUCKET", BUCKET.to_owned()),
        ("AUDIT_BUCKET", AUDIT_BUCKET.to_owned()),
        ("AUDIT_KEY", kms::KEY.to_owned()),
        ("PLATFORM_OPERATORS", OPERATOR.to_owned()),
        ("SERVER_TIMING", "true".to_owned()),
        ("LOG_LEVEL", "info".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

async fn config(base: &str, identity: &Identity, clock: &Clock) -> Config {
    let credentials = aws_sdk_dynamodb::config::Credentials::new("local", "local", None, None, "local");
    let aws = aws_config::defaults(portal_app::config::behavior())
        .region("eu-central-1")
        .credentials_provider(credentials)
        .timeout_config(portal_app::config::timeouts())
        // Loopback needs no TLS, whose roots would be read at every start.
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let endpoints = Endpoints(base.to_owned());
    let aws = aws.into_builder().service_config(endpoints).build();
    Config::new(variables(base, identity), aws, clock.clone())
}

/// Where the services are: what `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_S3` say to a function outside of the stack.
#[derive(Debug)]
struct Endpoints(String);

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let Self(base) = self;
        match (key.env(), key.service_id()) {
            ("AWS_ENDPOINT_URL", "S3") => Some(base.clone()),
            ("AWS_ENDPOINT_URL", _) => Some(format!("{base}/_local/aws")),
            _ => None,
        }
    }
}

/// One endpoint for all AWS services: what a request is for is told by its headers.
fn one_endpoint(aws: &Router) -> Router {
    let aws = aws.clone();
    let dispatch = async move |mut request: Request| -> Response {
        let target = request
            .headers()
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok())
            .unwrap_or_default();
        let service = match target.split('.').next() {
            Some("AmazonSQS") => "/_local/aws/sqs/",
            Some("TrentService") => "/_local/aws/kms/",
            Some(target) if target.starts_with("DynamoDB") => "/_local/aws/dynamodb/",
            _ => "/_local/aws/ses/",
        };
        *request.uri_mut() = http::Uri::from_static(service);
        aws.oneshot(request).await.unwrap_or_else(|never| match never {})
    };
    let route = axum::routing::post(dispatch);
    Router::new()
        .route("/_local/aws", route.clone())
        .route("/_local/aws/", route)
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                axum::Json(json!({ "message": "Not Found" })),
            )
                .into_response()
        })
}

/// What the links in invite mails open here, where the admin portal is in the cloud. Opening it changes nothing.
async fn accept_page() -> Response {
    let policy = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                  frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    let headers = [
        ("content-security-policy", policy),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ];
    (headers, axum::response::Html(include_str!("accept.html"))).into_response()
}

/// Deletes items whose time is over, as the service does some time later.
async fn sweep(dynamo: Dynamo) {
    let mut ticks = tokio::time::interval(Duration::from_mins(1));
    loop {
        ticks.tick().await;
        if let Err(error) = dynamo.sweep_ttl() {
            tracing::warn!(%error, "items whose time is over were not deleted");
        }
    }
}
