//! Asking for imports, bringing files, and running what takes them by hand.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt as _;
use portal_domain::import::FileHash;
use portal_local::consumer::Consumer;
use portal_local::dynamodb::Dynamo;
use portal_local::functions::named;
use portal_local::queues::Delivery;
use portal_local::stack::IMPORT_QUEUE;
use reqwest::Method;
use serde_json::{Value, json};

use super::service::Service;
use super::{Answer, Portal, killed_once};

/// The path of all imports.
pub(crate) const IMPORTS: &str = "/v1/imports";

/// What asks for an import of `file`, with what is said beside that.
pub(crate) fn asking(of: &str, file: &[u8], more: &Value) -> Value {
    let sha256 = FileHash::of(file);
    let mut body = json!({ "type": of, "format": "ndjson", "length": file.len(), "sha256": sha256 });
    for (name, value) in more.as_object().expect("fields") {
        body[name] = value.clone();
    }
    body
}

/// Lines as a file.
pub(crate) fn file(lines: &[Value]) -> Vec<u8> {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    lines.join("\n").into_bytes()
}

impl Portal {
    /// Brings a file as an import's answer says.
    pub(crate) async fn bring(&self, asked: &Answer, file: &[u8]) -> Answer {
        let upload = &asked.json()["upload"];
        let url = upload["url"].as_str().expect("a link");
        let mut request = self.client().request(Method::PUT, url);
        for (name, value) in upload["headers"].as_object().expect("headers") {
            // Of other bytes the client says the length by itself.
            let value = value.as_str().expect("a text");
            if name != "content-length" || value == file.len().to_string() {
                request = request.header(name, value);
            }
        }
        let sent = request.body(file.to_vec()).send().await;
        Answer::of(sent.expect("an answer")).await
    }

    /// What runs imports, called by hand from now on.
    pub(crate) fn runner(&self) -> Runner {
        let waiting: Arc<Mutex<Vec<Value>>> = Arc::default();
        let taken = Arc::clone(&waiting);
        let taking: Consumer = Arc::new(move |event| {
            taken.lock().expect("unlocked").push(event);
            async { Ok(Value::Null) }.boxed()
        });
        self.queues.create(IMPORT_QUEUE, Delivery::default());
        self.queues.register(IMPORT_QUEUE, taking);
        let run = named(self.config(0), "run-imports").expect("configured");
        Runner {
            waiting,
            run: run.expect("a function"),
            table: self.dynamo.clone(),
        }
    }
}

/// Runs imports by hand.
pub(crate) struct Runner {
    waiting: Arc<Mutex<Vec<Value>>>,
    run: Consumer,
    table: Dynamo,
}

impl Runner {
    /// The events that came and were not given out.
    pub(crate) async fn events(&self, portal: &Portal) -> Vec<Value> {
        portal.settle().await.expect("all is delivered");
        std::mem::take(&mut *self.waiting.lock().expect("unlocked"))
    }

    /// The one event that came.
    pub(crate) async fn event(&self, portal: &Portal) -> Value {
        let mut events = self.events(portal).await;
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// Runs what an event calls; whether its message is done.
    pub(crate) async fn run(&self, event: &Value) -> bool {
        let answer = (self.run)(event.clone()).await.expect("an answer");
        answer["batchItemFailures"] == json!([])
    }

    /// The same, killed once it asked the table for `most` operations; `None` if it was.
    ///
    /// How often it is woken for them is a matter of the machine's load.
    pub(crate) async fn killed_after(&self, most: usize, event: &Value) -> Option<bool> {
        self.table.clear_operations();
        killed_once(|| self.table.operation_count() >= most, self.run(event)).await
    }
}

impl Service {
    /// Asks for an import of `file`.
    pub(crate) async fn asked(&self, of: &str, file: &[u8], more: &Value) -> Answer {
        self.post(IMPORTS, asking(of, file, more)).await
    }

    /// Asks for an import of `file` and brings it; the import's id.
    pub(crate) async fn brought(&self, portal: &Portal, of: &str, file: &[u8], more: &Value) -> String {
        let asked = self.asked(of, file, more).await.expect(201);
        portal.bring(&asked, file).await.expect(200);
        asked.id()
    }

    /// Imports a file: what is told of it in the end.
    pub(crate) async fn imports(&self, portal: &Portal, of: &str, file: &[u8], more: &Value) -> Value {
        let import = self.brought(portal, of, file, more).await;
        portal.settle().await.expect("all is delivered");
        self.imported(&import).await
    }

    /// What is told of an import.
    pub(crate) async fn imported(&self, import: &str) -> Value {
        let told = self.get(&format!("{IMPORTS}/{import}")).await.expect(200).json();
        let count = |name: &str| told["counts"][name].as_u64().expect("a number");
        let names = [
            "created",
            "updated",
            "unchanged",
            "skipped_stale",
            "superseded_in_batch",
            "failed",
        ];
        assert_eq!(
            count("lines"),
            names.into_iter().map(count).sum::<u64>(),
            "{told}"
        );
        told
    }

    /// The lines of an import that failed, as the file of them tells.
    pub(crate) async fn failures(&self, portal: &Portal, told: &Value) -> Vec<Value> {
        let url = told["errors"]["url"].as_str().expect("a link");
        let sent = portal.client().get(url).send().await;
        let file = Answer::of(sent.expect("an answer")).await.expect(200);
        assert_eq!(told["errors"]["bytes"], file.text.len());
        let lines: Vec<Value> = file
            .text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(told["counts"]["failed"], lines.len());
        lines
    }
}

/// The parts of what is told of an import that tests compare: its status, and counts that are not 0.
pub(crate) fn outcome(told: &Value) -> (String, Vec<(String, u64)>) {
    let status = match told["code"].as_str() {
        Some(code) => format!("{} {code}", told["status"].as_str().expect("a status")),
        None => told["status"].as_str().expect("a status").to_owned(),
    };
    let counts = told["counts"].as_object().expect("counts").iter();
    let counts = counts.filter(|(name, _)| *name != "lines");
    let counts = counts.map(|(name, count)| (name.clone(), count.as_u64().expect("a number")));
    (status, counts.filter(|(_, count)| *count > 0).collect())
}
