//! The tour in the README: its commands run as they stand there, and answer what stands below them.

use std::process::Command;

use portal_local::stack::{Options, Stack};
use serde_json::Value;

use crate::support::{differences, is_like, project};

/// Where the README says that the stack is.
const SHOWN_AT: &str = "http://127.0.0.1:9000";
const SEPARATOR: &str = "--8<-- next step --8<--";

/// Commands, and what they print if the README shows it.
struct Step {
    commands: String,
    shown: Option<(String, String)>,
}

/// The fenced blocks of the section called `title`: language and text.
fn blocks(document: &str, title: &str) -> Vec<(String, String)> {
    let section = document
        .split("\n## ")
        .find_map(|section| section.strip_prefix(title))
        .unwrap_or_else(|| panic!("no section {title}"));
    let fenced = section.split("```").skip(1).step_by(2);
    fenced
        .map(|block| {
            let (language, text) = block.split_once('\n').expect("a language and a text");
            (language.to_owned(), text.to_owned())
        })
        .collect()
}

fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (language, text) in blocks(document, "A tour in five minutes") {
        if language == "sh" {
            steps.push(Step {
                commands: text,
                shown: None,
            });
        } else {
            let last = steps.last_mut().expect("commands before their answer");
            assert!(last.shown.is_none(), "two answers to one step");
            last.shown = Some((language, text));
        }
    }
    steps
}

fn unlike(language: &str, printed: &str, shown: &str) -> Vec<String> {
    if language == "json" {
        let parse = |text: &str| -> Value {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
        };
        return differences(&parse(printed), &parse(shown));
    }
    let (printed, shown) = (printed.trim(), shown.trim());
    if is_like(printed, shown) {
        Vec::new()
    } else {
        vec![format!("{printed:?} is not like {shown:?}")]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_in_the_readme_runs_as_written() {
    // Given the README and a stack
    let readme = std::fs::read_to_string(project("README.md")).expect("a README");
    let stack = Stack::start(Options::default()).await.expect("the stack starts");
    let steps = steps(&readme.replace(SHOWN_AT, &stack.base));
    assert!(steps.len() >= 8, "the tour is there");

    // When somebody types all commands
    let mut script = "set -eu -o pipefail\n".to_owned();
    for step in &steps {
        script.push_str(&step.commands);
        script.extend(["\necho; echo '", SEPARATOR, "'\n"]);
    }
    let run = move || Command::new("bash").arg("-c").arg(script).output();
    let output = tokio::task::spawn_blocking(run)
        .await
        .expect("a shell")
        .expect("bash is installed");
    let printed = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{printed}");

    // Then each prints what the README shows
    let printed: Vec<&str> = printed.split(SEPARATOR).collect();
    for (step, printed) in steps.iter().zip(printed) {
        if let Some((language, shown)) = &step.shown {
            let wrong = unlike(language, printed, shown);
            assert!(wrong.is_empty(), "{}\n{}", step.commands, wrong.join("\n"));
        }
    }
}
