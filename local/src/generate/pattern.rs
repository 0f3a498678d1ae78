//! `docs/access-patterns.md`: the tables at the head of the entities' files, put together.

use std::fmt::Write as _;
use std::path::Path;

use portal_store::table::Index;

use super::{notice, table};
use crate::stack::Failure;

const ENTITIES: &str = "shared/store/src/entity";
const HEAD: [&str; 5] = ["#", "access pattern", "index", "partition", "sort"];

/// A way in which the table is read, or written where nothing reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The entity's file, without its ending.
    pub entity: String,
    /// Its number.
    pub number: String,
    /// What it is for.
    pub about: String,
    /// The index; `table` for none.
    pub index: String,
    /// The partition key.
    pub partition: String,
    /// The sort key.
    pub sort: String,
    /// The functions that say in their first line that they use it.
    pub used_by: Vec<String>,
}

/// The access patterns of the project in `folder`, by entity.
///
/// # Errors
/// When a file has no table, a number is used twice, or an index is none of the table's.
pub fn patterns(folder: &Path) -> Result<Vec<Pattern>, Failure> {
    let mut files: Vec<_> = std::fs::read_dir(folder.join(ENTITIES))?
        .map(|file| file.map(|file| file.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut all: Vec<Pattern> = Vec::new();
    for file in files {
        let entity = file
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if entity == "mod" {
            continue;
        }
        let found = of_entity(entity, &std::fs::read_to_string(&file)?)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        for pattern in found {
            if all.iter().any(|other| other.number == pattern.number) {
                return Err(format!("two access patterns are called {}", pattern.number).into());
            }
            all.push(pattern);
        }
    }
    Ok(all)
}

fn of_entity(entity: &str, text: &str) -> Result<Vec<Pattern>, Failure> {
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("//! |"))
        .map(|row| row.trim_end_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let Some((head, rows)) = rows.split_first() else {
        return Err("it begins with no table of access patterns".into());
    };
    if *head != HEAD {
        return Err(format!("the table's head is not {}", HEAD.join(" | ")).into());
    }
    let mut found = Vec::new();
    for row in rows.iter().filter(|row| !row[0].starts_with('-')) {
        let [number, about, index, partition, sort] = row.as_slice() else {
            return Err(format!("a row has not five cells: {}", row.join(" | ")).into());
        };
        if *index != "table" && !Index::ALL.iter().any(|known| known.name() == *index) {
            return Err(format!("{number} names an index that the table has not: {index}").into());
        }
        found.push(Pattern {
            entity: entity.to_owned(),
            number: (*number).to_owned(),
            about: (*about).to_owned(),
            index: (*index).to_owned(),
            partition: (*partition).to_owned(),
            sort: (*sort).to_owned(),
            used_by: users(text, number),
        });
    }
    Ok(found)
}

/// The functions whose documentation begins with the pattern's number: `/// I1: …`, `/// E1, E2 or E3: …`.
fn users(text: &str, number: &str) -> Vec<String> {
    let mut users = Vec::new();
    let mut speaks = false;
    let mut in_comment = false;
    for line in text.lines().map(str::trim_start) {
        if let Some(said) = line.strip_prefix("/// ") {
            if !in_comment {
                let numbers = said.split_once(": ").map_or("", |(numbers, _)| numbers);
                let numbers = numbers.replace(" beside ", " ");
                speaks = numbers.split([',', ' ']).any(|word| word == number);
            }
            in_comment = true;
        } else if !line.starts_with("///") {
            in_comment = false;
            if let (true, Some((_, rest))) = (speaks, line.split_once("fn ")) {
                users.push(rest.split(['(', '<']).next().unwrap_or_default().to_owned());
                speaks = false;
            }
        }
    }
    users
}

/// The page.
pub(super) fn document(folder: &Path) -> Result<String, Failure> {
    let patterns = patterns(folder)?;
    let mut text = format!(
        "# Access patterns\n\n{}\n\n\
         Everything that is asked of the table, and with which keys. `{{…}}` stands for a value. The design and its reasons are \
         in [the data model](data-model.md). Indexes are sparse and project whole items; an index answer is a hint, the \
         conditional write decides.\n",
        notice(&format!("the tables at the head of `{ENTITIES}/*.rs`"))
    );
    let mut entities: Vec<&str> = patterns.iter().map(|pattern| pattern.entity.as_str()).collect();
    entities.dedup();
    for entity in entities {
        let rows = patterns
            .iter()
            .filter(|pattern| pattern.entity == entity)
            .map(|pattern| {
                let users: Vec<String> = pattern.used_by.iter().map(|user| format!("`{user}`")).collect();
                vec![
                    pattern.number.clone(),
                    pattern.about.clone(),
                    pattern.index.clone(),
                    pattern.partition.clone(),
                    pattern.sort.clone(),
                    if users.is_empty() {
                        "written only".to_owned()
                    } else {
                        users.join(", ")
                    },
                ]
            });
        let head: Vec<&str> = HEAD.into_iter().chain(["read by"]).collect();
        let _ = write!(text, "\n## {entity}\n\n{}", table(&head, rows));
    }
    Ok(text)
}
