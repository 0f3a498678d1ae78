//! How the parts depend on each other, and what is said in one place only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use portal_local::generate::patterns;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The workspace as Cargo sees it on this machine: packages for other systems need not be there.
fn metadata() -> Metadata {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let options = ["--locked", "--filter-platform", host].map(str::to_owned);
    MetadataCommand::new()
        .manifest_path(project().join("Cargo.toml"))
        .other_options(options)
        .exec()
        .unwrap()
}

/// How high a package stands; arrows point down only.
fn layer(package: &str) -> u8 {
    match package {
        "portal-domain" => 0,
        "portal-store" | "portal-mail" | "portal-documents" | "portal-signing" => 1,
        "portal-app" | "portal-feed" => 2,
        "portal-http" => 3,
        "portal-local" => 5,
        "portal-tests" => 6,
        _function => 4,
    }
}

/// The names of the functions' folders.
fn functions() -> BTreeSet<String> {
    std::fs::read_dir(project().join("functions"))
        .unwrap()
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Everything that a package links, itself not among it.
fn linked(metadata: &Metadata, package: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let name = |id: &PackageId| metadata[id].name.to_string();
    let start = metadata
        .packages
        .iter()
        .find(|found| found.name.as_str() == package)
        .unwrap();
    let mut seen = BTreeSet::new();
    let mut left = vec![&start.id];
    while let Some(id) = left.pop() {
        for dependency in &nodes[id].deps {
            let is_linked = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if is_linked && seen.insert(&dependency.pkg) {
                left.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(name).collect()
}

#[test]
fn arrows_point_from_the_outside_in() {
    let metadata = metadata();
    let own: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            if own.contains(dependency.name.as_str()) {
                assert!(
                    layer(&dependency.name) < layer(&package.name),
                    "{} must not know {}: domain <- store, mail, documents, signing <- app, feed <- http <- functions <- local <- tests, and no function \
                     knows another",
                    package.name,
                    dependency.name
                );
            }
        }
    }
}

#[test]
fn what_is_deployed_links_no_emulator() {
    let metadata = metadata();
    for function in functions() {
        let linked = linked(&metadata, &function);
        for emulator in ["dynoxide-rs", "s3s", "portal-local", "rusqlite", "libsqlite3-sys"] {
            assert!(!linked.contains(emulator), "{function} links {emulator}");
        }
    }
}

#[test]
fn the_domain_knows_no_input_or_output() {
    let linked = linked(&metadata(), "portal-domain");
    let foreign = [
        "tokio",
        "async-trait",
        "futures",
        "aws-",
        "http",
        "hyper",
        "axum",
        "reqwest",
        "tower",
        "tracing",
    ];
    for name in linked {
        assert!(
            !foreign.iter().any(|prefix| name.starts_with(prefix)),
            "portal-domain links {name}: rules are functions over what was read"
        );
    }
}

#[test]
fn a_function_is_a_folder_a_package_and_a_binary_of_one_name() {
    let metadata = metadata();
    let functions = functions();
    for function in &functions {
        let package = metadata
            .packages
            .iter()
            .find(|package| package.name.as_str() == function)
            .unwrap_or_else(|| panic!("functions/{function} holds no package of its name"));
        let binaries: Vec<_> = package
            .targets
            .iter()
            .filter(|target| target.is_bin())
            .map(|target| target.name.as_str())
            .collect();
        assert_eq!(
            binaries,
            [function],
            "the binary has the folder's name, never `bootstrap`"
        );

        let main = project().join(format!("functions/{function}/src/main.rs"));
        let main = std::fs::read_to_string(main).unwrap();
        let body = main.split_once("async fn main()").unwrap().1;
        let lines = body
            .lines()
            .skip(1)
            .filter(|line| !line.trim().is_empty() && line.trim() != "}");
        assert_eq!(
            lines.count(),
            1,
            "functions/{function}/src/main.rs: the body is one line, `portal_http::run` or `consume`"
        );
    }
    let template = portal_local::template::Template::read(&project()).unwrap();
    let deployed: BTreeSet<String> = template
        .functions()
        .into_iter()
        .map(|function| function.name)
        .collect();
    assert_eq!(
        deployed, functions,
        "infra/template.yaml deploys each folder of functions/"
    );
}

/// Every Rust source in these folders.
fn sources_in(mut left: Vec<PathBuf>) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

/// Every Rust source of the product.
fn sources() -> Vec<(PathBuf, String)> {
    let folders = ["shared", "functions", "local"];
    sources_in(folders.map(|folder| project().join(folder)).into())
}

#[test]
fn what_is_declared_is_used() {
    // Given the paths in each package's sources: `serde_json::json`, …
    let metadata = metadata();
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let mut unused = Vec::new();
    let mut declared = BTreeSet::new();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().unwrap();
        let sources = sources_in(vec![folder.into()]);
        let paths: BTreeSet<&str> = sources
            .iter()
            .flat_map(|(_, text)| text.lines())
            .filter(|line| !line.trim_start().starts_with("//"))
            .flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && !"_:".contains(c)))
            .filter_map(|word| Some(word.split_once("::")?.0))
            .collect();

        // Then each dependency begins one
        let node = nodes.iter().find(|node| node.id == package.id).unwrap();
        for dependency in &node.deps {
            if !paths.contains(dependency.name.as_str()) {
                unused.push(format!("{}: {}", package.name, dependency.name));
            }
        }
        declared.extend(
            package
                .dependencies
                .iter()
                .map(|dependency| dependency.name.clone()),
        );
    }
    // And each that the workspace declares is a package's
    let manifest = std::fs::read_to_string(project().join("Cargo.toml")).unwrap();
    let shared = manifest.split_once("[workspace.dependencies]\n").unwrap().1;
    let shared = shared.split("\n[").next().unwrap();
    for line in shared.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, _)) = line.split_once(" = ")
            && !declared.contains(name)
        {
            unused.push(format!("the workspace: {name}"));
        }
    }
    assert!(unused.is_empty(), "nobody uses\n{}", unused.join("\n"));
}

#[test]
fn a_key_is_spelled_in_its_entitys_file_alone() {
    // Given what keys begin with: `ORG#`, `INVITE#`, ...
    let beginnings: BTreeSet<String> = patterns(&project())
        .unwrap()
        .iter()
        .flat_map(|pattern| [pattern.partition.clone(), pattern.sort.clone()])
        .flat_map(|keys| {
            keys.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter_map(|key| Some(key.split_once('#')?.0.to_owned()))
        .filter(|beginning| !beginning.is_empty())
        .collect();
    assert!(
        beginnings.contains("ORG") && beginnings.contains("INVITE"),
        "{beginnings:?}"
    );

    // Then no text in the code begins so in two files. The request's gate is the second opinion on keys, by design.
    let gate = project().join("shared/store/src/request.rs");
    let entities = project().join("shared/store/src/entity");
    let mut spelled: BTreeMap<&str, BTreeSet<PathBuf>> = BTreeMap::new();
    for (path, text) in sources().into_iter().filter(|(path, _)| *path != gate) {
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for beginning in &beginnings {
                if line.contains(&format!("\"{beginning}#")) {
                    spelled.entry(beginning).or_default().insert(path.clone());
                }
            }
        }
    }
    for (beginning, files) in spelled {
        assert_eq!(
            files.len(),
            1,
            "`{beginning}#` is spelled in {files:?}: ask the file that owns it"
        );
        let file = files.first().unwrap();
        assert!(
            file.starts_with(&entities),
            "`{beginning}#` is spelled in {}: keys belong to the entities",
            file.display()
        );
    }
}
