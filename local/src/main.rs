//! `portal-local`: the whole stack on this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use portal_app::Days;
use portal_local::stack::{Failure, Options, Stack};
use portal_local::{bench, demo, generate, verify};

const HELP: &str = "\
portal-local: the Organization Portal with everything around it, in one process, on 127.0.0.1

  portal-local [--ephemeral] [--empty]   serve (PORT=9000; data in .local/, or kept nowhere; demo data unless empty)
  portal-local generate [FOLDER]         write the generated documents (FOLDER: the project, default .)
  portal-local verify-audit ORGANIZATION [FROM UNTIL]
                                         check an audit log, or days of it (environment: docs/audit-chain.md)
  portal-local bench FUNCTION BINARY     measure a function's release binary: size, start, answers
  portal-local bench-import LINES BINARY import a file of lines with run-imports's release binary, killed in the middle
  portal-local bench-lists [MOST]        measure lists over 1,000 to MOST bookings (1,000,000), and how fast lines are taken
";

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .compact()
        .without_time()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["generate"] => generate::write(&PathBuf::from(".")).await,
        ["generate", folder] => generate::write(&PathBuf::from(folder)).await,
        ["verify-audit", organization] => return verify_audit(organization, None).await,
        ["verify-audit", organization, from, until] => match (from.parse(), until.parse()) {
            (Ok(from), Ok(until)) => return verify_audit(organization, Some((from, until))).await,
            _ => Err("days are written as 2026-01-31".into()),
        },
        ["bench", function, binary] => bench::run(function, &PathBuf::from(binary))
            .await
            .map(|report| say(&report)),
        ["bench-import", lines, binary] => match lines.parse() {
            Ok(lines) => bench::imports::run(lines, &PathBuf::from(binary))
                .await
                .map(|report| say(&report)),
            Err(_) => Err(format!("{lines} is not a number of lines").into()),
        },
        ["bench-lists"] => bench::lists::run(1_000_000).await.map(|report| say(&report)),
        ["bench-lists", most] => match most.parse() {
            Ok(most) => bench::lists::run(most).await.map(|report| say(&report)),
            Err(_) => Err(format!("{most} is not a number of bookings").into()),
        },
        flags if flags.iter().all(|flag| ["--ephemeral", "--empty"].contains(flag)) => {
            serve(flags.contains(&"--ephemeral"), flags.contains(&"--empty")).await
        }
        _ => {
            say(HELP);
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("portal-local: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the port is this program's own setting")]
fn port() -> Result<u16, Failure> {
    match std::env::var("PORT") {
        Ok(port) => Ok(port.parse().map_err(|_| format!("PORT={port} is not a port"))?),
        Err(_) => Ok(9_000),
    }
}

/// Says what a verification found; fails if that is anything.
async fn verify_audit(organization: &str, days: Option<Days>) -> ExitCode {
    let verdict = match verify::run(organization, days).await {
        Ok(verdict) => verdict,
        Err(error) => {
            say(&format!("portal-local: it cannot be verified: {error}"));
            return ExitCode::from(2);
        }
    };
    say(&verify::told(&verdict));
    if verdict.findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn serve(is_ephemeral: bool, is_empty: bool) -> Result<(), Failure> {
    let data = (!is_ephemeral).then(|| PathBuf::from(".local"));
    let options = Options {
        port: port()?,
        data: data.clone(),
        schedules: true,
        ..Options::default()
    };
    let stack = Stack::start(options)
        .await
        .map_err(|error| format!("it does not start: {error}"))?;
    if !is_empty {
        demo::fill(&stack).await?;
    }
    std::fs::create_dir_all(".local")?;
    let environment = stack
        .environment()
        .into_iter()
        // In quotes: cargo-lambda reads no other value with spaces, quotes or `=` in it.
        .map(|(name, value)| format!("{name}='{value}'\n"));
    std::fs::write(".local/functions.env", environment.collect::<String>())?;
    let kept = data.map_or("nowhere: it is gone when this ends".to_owned(), |data| {
        format!("in {}/", data.display())
    });
    let base = &stack.base;
    say(&format!(
        "The Organization Portal is up.\n\n  \
         API       {base}/v1\n  \
         Mails     {base}/_local/mailbox\n  \
         Sign in   curl -s {base}/_local/sign-in -d '{{\"email\":\"{}\"}}'\n  \
         Data      kept {kept}\n  \
         Stop      Ctrl-C\n",
        demo::ADMIN
    ));
    tokio::signal::ctrl_c().await?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this program talks to people")]
fn say(text: &str) {
    println!("{text}");
}
