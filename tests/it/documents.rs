//! The documents written by hand: what they point to is there.

use std::path::{Path, PathBuf};

use crate::support::project;

/// All Markdown files below a folder.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a readable folder");
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(documents(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}

/// The targets of the links in a text, outside of code.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

/// The names by which a document's headings can be linked to.
fn anchors(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut all = vec![project("README.md"), project("CONTRIBUTING.md")];
    all.extend(documents(&project("docs")));
    all.extend(documents(&project("events")));
    let mut dead = Vec::new();
    for document in all {
        let text = std::fs::read_to_string(&document).expect("readable");
        for target in links(&text).iter().filter(|target| !target.contains("://")) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let there = if path.is_empty() {
                document.clone()
            } else {
                document.parent().expect("a folder").join(path)
            };
            let is_found = there.exists()
                && (anchor.is_empty()
                    || anchors(&std::fs::read_to_string(&there).unwrap_or_default())
                        .iter()
                        .any(|known| known == anchor));
            if !is_found {
                dead.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

#[test]
fn every_alarm_has_a_section_in_the_runbook() {
    let template = std::fs::read_to_string(project("infra/template.yaml")).expect("the template");
    let runbook = std::fs::read_to_string(project("docs/operations.md")).expect("the runbook");
    let alarms: Vec<&str> = template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("AlarmName: !Sub \"${AWS::StackName}-"))
        .map(|name| name.trim_end_matches('"'))
        .collect();
    assert!(alarms.len() > 10, "the alarms are found");
    let sections = anchors(&runbook);
    let missing: Vec<_> = alarms
        .iter()
        .filter(|alarm| !sections.iter().any(|section| section == *alarm))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/operations.md needs sections for {missing:?}"
    );
    let stale: Vec<_> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        // What is done by hand begins with a capital letter.
        .filter(|section| section.starts_with(char::is_lowercase) && !alarms.contains(section))
        .collect();
    assert!(
        stale.is_empty(),
        "docs/operations.md has sections for no alarm: {stale:?}"
    );
}
