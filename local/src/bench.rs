//! How a function fares as it is deployed: size, start and answers of its release binary, called as Lambda calls it.

pub mod imports;
pub mod lists;
mod runtime;
mod volume;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use self::runtime::Runtime;
use crate::probe::{Probe, Scene};
use crate::stack::Failure;

/// How many warm requests are measured.
const WARM: usize = 500;
/// How often the start is measured: the first one pays for reading the file from the disk.
const STARTS: usize = 5;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a function did.
struct Measured {
    /// From the start of the process to its first call for work.
    start: Duration,
    /// From the first event to its answer.
    first: Duration,
    /// The answers after it, fastest first.
    warm: Vec<Duration>,
    /// The most memory it took, in KiB.
    memory: u64,
}

/// Measures `function`, built as `binary`, against a stack of its own, and says what came out. What a bare process takes on the
/// same machine in the same run stands beside the start.
///
/// # Errors
/// When the binary does not start, does not ask for work, or does not answer with a success.
pub async fn run(function: &str, binary: &Path) -> Result<String, Failure> {
    let size = std::fs::metadata(binary)?.len();
    let probe = Probe::start(false).await?;
    let scene = probe.scene().await?;
    let (operation, request) = event(function, &scene).await?;

    let bare = bare_start()?;
    let mut starts = Vec::new();
    for _ in 1..STARTS {
        starts.push(measure(&probe, binary, &request, 0).await?.start);
    }
    let Measured {
        start,
        first,
        warm,
        memory,
    } = measure(&probe, binary, &request, WARM).await?;
    starts.push(start);
    starts.sort();

    let ratio = millis(starts[STARTS / 2]) / millis(bare);
    let line = |name: &str, value: String| format!("  {name:<44} {value:>12}\n");
    let report = [
        format!("{function}, {operation}, {}\n", binary.display()),
        line("binary", format!("{:.1} MB", mebi(size))),
        line("memory at most", format!("{:.1} MB", mebi(memory * 1024))),
        line(
            "spawn to first call for work, median of 5",
            format!("{:.1} ms", millis(starts[STARTS / 2])),
        ),
        line(
            "  the slowest of them",
            format!(
                "{:.1} ms",
                millis(starts.iter().copied().max().unwrap_or_default())
            ),
        ),
        line(
            "  a bare process here (`true`)",
            format!("{:.1} ms", millis(bare)),
        ),
        line("  ratio", format!("{ratio:.1}")),
        line("first answer", format!("{:.1} ms", millis(first))),
        line(
            &format!("warm p50 of {WARM}"),
            format!("{:.2} ms", millis(percentile(&warm, 50))),
        ),
        line("warm p99", format!("{:.2} ms", millis(percentile(&warm, 99)))),
    ];
    Ok(report.concat())
}

/// One event that the function reads, and the operation it asks for.
async fn event(function: &str, scene: &Scene<'_>) -> Result<(&'static str, String), Failure> {
    let operation = match function {
        "organizations" => "get_organization",
        "invites" => "list_invites",
        "members" => "list_members",
        "audit" => "list_audit_events",
        _ => return Err(format!("{function} is not behind the API: measure one that is").into()),
    };
    let request = scene.request(operation, &scene.founder, false).await?;
    let event = scene.founder.event(operation, &request)?;
    Ok((operation, event))
}

async fn measure(probe: &Probe, binary: &Path, event: &str, warm: usize) -> Result<Measured, Failure> {
    let runtime = Runtime::start().await?;
    let begun = Instant::now();
    let function = spawn("bench", &probe.stack.environment(), binary, &runtime)?;
    ask(&runtime, &function, begun, event, warm).await
}

async fn ask(
    runtime: &Runtime,
    function: &Process,
    begun: Instant,
    event: &str,
    warm: usize,
) -> Result<Measured, Failure> {
    let in_time = |what: &'static str| move |_| Failure::from(format!("{what}: nothing within 30 s"));
    tokio::time::timeout(PATIENCE, runtime.ready())
        .await
        .map_err(in_time("the first call for work"))??;
    let start = begun.elapsed();
    let mut all = Vec::with_capacity(warm + 1);
    for _ in 0..=warm {
        let asked = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, runtime.invoke(event))
            .await
            .map_err(in_time("an answer"))??;
        all.push(asked.elapsed());
        if answer["statusCode"] != 200 {
            return Err(format!("the function answers {answer}").into());
        }
    }
    let memory = most_memory(function.id());
    let first = all.remove(0);
    all.sort();
    Ok(Measured {
        start,
        first,
        warm: all,
        memory,
    })
}

/// Starts `binary` as the function called `name`.
fn spawn(
    name: &str,
    environment: &BTreeMap<String, String>,
    binary: &Path,
    runtime: &Runtime,
) -> Result<Process, Failure> {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs(environment)
        .env("AWS_LAMBDA_RUNTIME_API", runtime.address())
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
        .env("LOG_LEVEL", "warn")
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    Ok(Process(command.spawn()?))
}

/// A process that ends when it is dropped.
struct Process(Child);

impl Process {
    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What starting any process takes here, from spawn to end; the best of a few.
fn bare_start() -> Result<Duration, Failure> {
    let mut best = PATIENCE;
    for _ in 0..STARTS {
        let begun = Instant::now();
        Command::new("true").stdin(Stdio::null()).status()?;
        best = best.min(begun.elapsed());
    }
    Ok(best)
}

/// The most memory that a process has had, in KiB; 0 where the system does not tell.
fn most_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(0)
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mebi(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
