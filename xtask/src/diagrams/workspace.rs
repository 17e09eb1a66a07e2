//! The crates of the workspace, as cargo sees them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Result;
use crate::command::Command;

/// One crate.
#[derive(Debug, Clone, Default)]
pub(super) struct Package {
    pub(super) name: String,
    /// From the root; empty for the crate at the root.
    pub(super) path: String,
    pub(super) description: String,
    pub(super) published: bool,
    /// The crates of the workspace that it depends on, those for its tests left out.
    needs: Vec<String>,
}

/// All crates, those that nothing of ours is below first.
#[derive(Debug)]
pub(super) struct Workspace {
    /// Rows from the bottom up: a crate is above everything it depends on. What is not published is the last row: examples,
    /// tests and tools, however they depend on each other.
    pub(super) rows: Vec<Vec<Package>>,
}

impl Workspace {
    pub(super) fn read() -> Result<Self> {
        let command = Command::new("cargo metadata --no-deps --format-version 1");
        let output = command.captured()?;
        if !output.status.success() {
            return Err(format!("`{command}`: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
        }
        Self::parse(&serde_json::from_slice(&output.stdout)?)
    }

    fn parse(metadata: &Value) -> Result<Self> {
        let root = text(metadata, "workspace_root")?;
        let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
        let packages =
            packages.iter().map(|package| Package::parse(package, root)).collect::<Result<Vec<_>>>()?;
        Ok(Self::layered(packages))
    }

    fn layered(mut packages: Vec<Package>) -> Self {
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        let (mut packages, private): (Vec<_>, Vec<_>) =
            packages.into_iter().partition(|package| package.published);
        let mut rows: Vec<Vec<Package>> = Vec::new();
        let mut placed: BTreeSet<String> = BTreeSet::new();
        while !packages.is_empty() {
            let (row, rest): (Vec<_>, Vec<_>) = packages
                .into_iter()
                .partition(|package| package.needs.iter().all(|name| placed.contains(name)));
            if row.is_empty() {
                // Cargo accepts no circle, so this is a name that cargo metadata does not list.
                break;
            }
            placed.extend(row.iter().map(|package| package.name.clone()));
            rows.push(row);
            packages = rest;
        }
        rows.extend(Some(private).filter(|private| !private.is_empty()));
        Self { rows }
    }

    /// What a crate depends on, without what it reaches through another one anyway.
    pub(super) fn arrows<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = &'a str> {
        package
            .needs
            .iter()
            .map(String::as_str)
            .filter(|name| !package.needs.iter().any(|other| other != name && self.reaches(other, name)))
    }

    /// How many crates depend on this one, at first hand.
    pub(super) fn dependents(&self, package: &Package) -> usize {
        self.packages().filter(|other| other.needs.contains(&package.name)).count()
    }

    fn reaches(&self, from: &str, to: &str) -> bool {
        self.packages()
            .filter(|package| package.name == from)
            .any(|package| package.needs.iter().any(|name| name == to || self.reaches(name, to)))
    }

    fn packages(&self) -> impl Iterator<Item = &Package> {
        self.rows.iter().flatten()
    }
}

impl Package {
    fn parse(package: &Value, root: &str) -> Result<Self> {
        let manifest = text(package, "manifest_path")?.replace('\\', "/");
        let path = manifest
            .strip_prefix(&root.replace('\\', "/"))
            .and_then(|path| path.strip_suffix("/Cargo.toml"))
            .ok_or_else(|| format!("{manifest} is outside of the workspace"))?;
        let needs = package["dependencies"].as_array().into_iter().flatten().filter(|dependency| {
            dependency["path"].is_string() && dependency["kind"].as_str() != Some("dev")
        });
        Ok(Self {
            name: text(package, "name")?.into(),
            path: path.trim_start_matches('/').into(),
            description: package["description"].as_str().unwrap_or_default().into(),
            published: package["publish"].is_null(),
            needs: needs
                .map(|dependency| text(dependency, "name").map(String::from))
                .collect::<Result<_>>()?,
        })
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().ok_or_else(|| format!("cargo metadata has no `{key}`").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, needs: &[&str]) -> Package {
        Package {
            name: name.into(),
            needs: needs.iter().copied().map(String::from).collect(),
            published: true,
            ..Package::default()
        }
    }

    #[test]
    fn a_crate_is_above_everything_it_depends_on() {
        let workspace = Workspace::layered(vec![
            Package { published: false, ..package("example", &["core"]) },
            package("facade", &["core", "layer"]),
            package("layer", &["core"]),
            package("core", &[]),
        ]);
        let names: Vec<Vec<&str>> = workspace
            .rows
            .iter()
            .map(|row| row.iter().map(|package| package.name.as_str()).collect())
            .collect();
        assert_eq!(names, [vec!["core"], vec!["layer"], vec!["facade"], vec!["example"]]);
        assert_eq!(workspace.arrows(&workspace.rows[2][0]).collect::<Vec<_>>(), ["layer"]);
    }

    #[test]
    fn cargo_metadata_is_read() {
        let metadata = serde_json::json!({
            "workspace_root": "/w",
            "packages": [{
                "name": "a", "manifest_path": "/w/adapters/a/Cargo.toml", "description": "d", "publish": [],
                "dependencies": [
                    { "name": "core", "path": "/w/core", "kind": null },
                    { "name": "helper", "path": "/w/helper", "kind": "dev" },
                    { "name": "bytes", "kind": null }
                ]
            }, {
                "name": "core", "manifest_path": "/w/Cargo.toml", "publish": null, "dependencies": []
            }]
        });
        let workspace = Workspace::parse(&metadata).expect("well formed");
        let (core, a) = (&workspace.rows[0][0], &workspace.rows[1][0]);
        assert_eq!((core.path.as_str(), core.published), ("", true));
        assert_eq!(
            (a.path.as_str(), a.published, a.needs.as_slice()),
            ("adapters/a", false, &["core".to_owned()][..])
        );
    }
}
