//! How fast a file of lines is taken, though what takes it is killed in the middle, and whether all of it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::runtime::Runtime;
use super::{mebi, most_memory, spawn};
use crate::probe::{Person, Probe, Request, Scene};
use crate::queues::Delivery;
use crate::stack::{Failure, IMPORT_QUEUE, Options, import_delivery};
use crate::sync::lock;

/// How long it takes at most until something is seen.
const GLANCE: Duration = Duration::from_millis(200);
/// How long a killed run's message stays invisible.
const PAUSE: Duration = Duration::from_secs(1);

/// The function as it is deployed: a process for each run, which can be killed.
struct Runs {
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    kill: Notify,
    /// The most memory of each, in KiB.
    memory: Mutex<Vec<u64>>,
}

impl Runs {
    /// Hands an event to a new process and waits for its answer, or for its end.
    async fn run(&self, event: Value) -> Result<Value, String> {
        let told = |error: Failure| error.to_string();
        let runtime = Runtime::start().await.map_err(told)?;
        let process = spawn("run-imports", &self.environment, &self.binary, &runtime).map_err(told)?;
        let event = event.to_string();
        let answer = tokio::select! {
            answer = runtime.invoke(&event) => answer.map_err(told)?,
            () = self.kill.notified() => Value::Null,
        };
        lock(&self.memory).push(most_memory(process.id()));
        if answer.is_null() {
            return Err("it was killed".to_owned());
        }
        Ok(answer)
    }
}

/// What an import came to.
struct Taken {
    /// From the end of the upload to the end of the import.
    time: Duration,
    /// How many lines were noted when the run was killed.
    killed_at: u64,
    /// What is told of the import.
    told: Value,
}

/// Imports a file of `lines` new patients through the API, the bucket and the function built as `binary`, and says what came out.
///
/// # Errors
/// When a step fails, or a line is lost or taken twice.
pub async fn run(lines: u64, binary: &Path) -> Result<String, Failure> {
    let data = std::env::temp_dir().join(format!("portal-bench-import-{}", std::process::id()));
    let report = measured(lines, binary, data.clone()).await;
    // What cannot be removed is in the way of nobody.
    let _ = std::fs::remove_dir_all(data);
    report
}

async fn measured(lines: u64, binary: &Path, data: PathBuf) -> Result<String, Failure> {
    let options = Options {
        follows: false,
        data: Some(data),
        ..Options::default()
    };
    let probe = Probe::start_with(options).await?;
    let scene = probe.scene().await?;
    let service = probe.service().await?;
    told_site(&scene, &service).await?;
    let runs = Arc::new(Runs {
        binary: binary.to_owned(),
        environment: probe.stack.environment(),
        kill: Notify::new(),
        memory: Mutex::default(),
    });
    let called = Arc::clone(&runs);
    let delivery = Delivery {
        pause: PAUSE,
        ..import_delivery()
    };
    probe.stack.queues.create(IMPORT_QUEUE, delivery);
    probe.stack.queues.register(
        IMPORT_QUEUE,
        Arc::new(move |event| {
            let called = Arc::clone(&called);
            async move { called.run(event).await }.boxed()
        }),
    );
    let file = file(lines)?;
    let bytes = file.len() as u64;
    let begun = Instant::now();
    let import = probe.import(&service, "patients", file).await?;
    let brought = begun.elapsed();
    let taken = taken(&probe, &service, &import, lines, &runs).await?;
    verified(&scene, lines, &taken).await?;
    let memory = lock(&runs.memory).clone();
    Ok(report(lines, bytes, brought, &taken, &memory))
}

/// The source tells of a site, to which the organization is bound.
async fn told_site(scene: &Scene<'_>, service: &Person) -> Result<(), Failure> {
    let site = json!([{
        "external": { "system": "sites", "value": "lakeside" }, "op": "upsert", "version": 1,
        "occurred_at": "2026-01-01T00:00:00Z",
        "data": { "name": "Lakeside Online", "status": "live" },
    }]);
    let told = service
        .send(&Request::post("/v1/ingest/sites", site))
        .await?
        .success()?;
    let site = told.body["results"][0]["id"]
        .as_str()
        .ok_or("the site has no id")?;
    scene.bind(site).await
}

/// The lines, always the same.
fn file(lines: u64) -> Result<Vec<u8>, Failure> {
    let mut file = String::new();
    for number in 0..lines {
        writeln!(
            file,
            r#"{{"external":{{"system":"mrn","value":"{number}"}},"op":"upsert","version":1,"occurred_at":"2026-01-01T00:00:00Z","data":{{"given_name":"Patient","family_name":"Number {number}","birth_date":"1980-01-01","email":"patient-{number}@hillside.example","registrations":[{{"site":{{"system":"sites","value":"lakeside"}},"joined_at":"2026-01-01T00:00:00Z"}}]}}}}"#
        )?;
    }
    Ok(file.into_bytes())
}

/// Waits until the import has ended, and kills the run that has taken half of it.
async fn taken(
    probe: &Probe,
    service: &Person,
    import: &str,
    lines: u64,
    runs: &Runs,
) -> Result<Taken, Failure> {
    let begun = Instant::now();
    let mut killed_at = None;
    loop {
        let told = probe.imported(service, import).await?;
        let so_far = told["counts"]["lines"].as_u64().unwrap_or(0);
        if killed_at.is_none() && so_far >= lines / 2 {
            runs.kill.notify_one();
            killed_at = Some(so_far);
        }
        if told["ended_at"].is_string() {
            let killed_at = killed_at.ok_or("it was too quick to be killed")?;
            let time = begun.elapsed();
            return Ok(Taken {
                time,
                killed_at,
                told,
            });
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Fails unless every line is counted once, and every patient is listed once.
async fn verified(scene: &Scene<'_>, lines: u64, taken: &Taken) -> Result<(), Failure> {
    let count = |name: &str| taken.told["counts"][name].as_u64().unwrap_or(0);
    if taken.told["status"] != "completed"
        || count("lines") != lines
        || count("created") + count("unchanged") != lines
    {
        return Err(format!("not all lines were taken once: {}", taken.told).into());
    }
    let mut names = BTreeSet::new();
    let mut listed = 0;
    let mut cursor = String::new();
    loop {
        let page = scene.list(&format!("/patients?limit=100{cursor}"));
        let page = scene.founder.send(&page).await?.success()?.body;
        for item in page["items"].as_array().into_iter().flatten() {
            names.insert(item["name"].as_str().unwrap_or_default().to_owned());
            listed += 1;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let is_named = |number: u64| names.contains(&format!("Patient Number {number}"));
    if listed != lines || !(0..lines).all(is_named) {
        return Err(format!("{listed} patients are listed, {} of them different", names.len()).into());
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn report(lines: u64, bytes: u64, brought: Duration, taken: &Taken, memory: &[u64]) -> String {
    let line = |name: &str, value: String| format!("  {name:<58} {value:>14}\n");
    let rate = lines as f64 / taken.time.as_secs_f64();
    let mut report = [
        format!("import of {lines} lines about new patients, killed in the middle\n"),
        line("file", format!("{:.1} MB", mebi(bytes))),
        line(
            "asked for and brought in",
            format!("{:.2} s", brought.as_secs_f64()),
        ),
        line(
            "taken in, the kill and a second's wait included",
            format!("{:.1} s", taken.time.as_secs_f64()),
        ),
        line("lines a second", format!("{rate:.0}")),
        line(
            "lines noted when the first run was killed",
            taken.killed_at.to_string(),
        ),
    ]
    .concat();
    for (run, peak) in memory.iter().enumerate() {
        let name = format!("memory at most, of the function's process, run {}", run + 1);
        report.push_str(&line(&name, format!("{:.1} MB", mebi(peak * 1024))));
    }
    for name in ["created", "unchanged", "failed"] {
        report.push_str(&line(name, taken.told["counts"][name].to_string()));
    }
    report.push_str("  every line counted once, every patient listed once\n");
    report
}
