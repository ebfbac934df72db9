//! What the rules look at: the repository's text files and what cargo knows of its packages.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Folders of built or downloaded things.
const SKIPPED_FOLDERS: [&str; 6] = [".git", "target", "node_modules", ".venv", "__pycache__", ".pytest_cache"];
const TEXT_EXTENSIONS: [&str; 17] = [
    "css",
    "html",
    "js",
    "json",
    "lock",
    "md",
    "mjs",
    "proptest-regressions",
    "py",
    "rs",
    "sh",
    "snap",
    "sql",
    "svg",
    "toml",
    "txt",
    "yaml",
];

/// The repository, read once.
#[derive(Default)]
pub(crate) struct Repository {
    /// Text files in order of their paths.
    pub(crate) files: Vec<TextFile>,
    /// Our packages and all that they depend on.
    pub(crate) packages: Vec<Package>,
}

/// A text file of the repository.
pub(crate) struct TextFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A package of the dependency tree, on any platform.
#[derive(Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The SPDX expression of its manifest.
    pub(crate) licence: Option<String>,
    /// `None` for our own.
    pub(crate) source: Option<String>,
    /// What its manifest asks for.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest.
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Normal,
    Development,
    Build,
}

impl Repository {
    /// Reads the checkout that this program was built from.
    pub(crate) fn load() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask has no parent folder")?;
        let mut paths = Vec::new();
        collect(root, &mut paths).map_err(|error| format!("cannot read the repository: {error}"))?;
        let mut files = Vec::new();
        for path in paths {
            let text = fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push(TextFile { path: relative, text });
        }
        files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(Self { files, packages: packages(root)? })
    }

    /// The file at this path.
    pub(crate) fn file(&self, path: &str) -> Option<&TextFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// A TOML file at this path.
    pub(crate) fn toml(&self, path: &str) -> Result<toml::Table, String> {
        let file = self.file(path).ok_or_else(|| format!("{path} is missing"))?;
        file.text.parse().map_err(|error| format!("{path} is not TOML: {error}"))
    }

    /// Our own packages by name.
    pub(crate) fn own_packages(&self) -> BTreeMap<&str, &Package> {
        let own = self.packages.iter().filter(|package| package.source.is_none());
        own.map(|package| (package.name.as_str(), package)).collect()
    }

    /// All Rust files.
    pub(crate) fn rust_files(&self) -> impl Iterator<Item = &TextFile> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }
}

impl TextFile {
    /// Whether the whole file is test code, by where it lies.
    pub(crate) fn is_test(&self) -> bool {
        let mut parts = self.path.split('/').rev();
        let name = parts.next().unwrap_or_default();
        name == "tests.rs" || name.ends_with("_tests.rs") || parts.any(|folder| matches!(folder, "tests" | "benches"))
    }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if !SKIPPED_FOLDERS.iter().any(|skipped| name == *skipped) {
                collect(&path, found)?;
            }
        } else if is_text(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Scripts and notices have no extension.
fn is_text(path: &Path) -> bool {
    path.extension().is_none_or(|extension| TEXT_EXTENSIONS.iter().any(|known| extension == *known))
}

fn packages(root: &Path) -> Result<Vec<Package>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    Ok(packages.iter().map(package).collect())
}

fn package(value: &Value) -> Package {
    let text = |field: &str| value[field].as_str().map(str::to_owned);
    let dependencies = value["dependencies"].as_array().into_iter().flatten().map(|dependency| Dependency {
        name: dependency["name"].as_str().unwrap_or_default().to_owned(),
        kind: match dependency["kind"].as_str() {
            Some("dev") => Kind::Development,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        },
    });
    Package {
        name: text("name").unwrap_or_default(),
        version: text("version").unwrap_or_default(),
        licence: text("license"),
        source: text("source"),
        dependencies: dependencies.collect(),
    }
}
