//! The bug zoo: every planted bug of `crates/sim/zoo/` put into a copy of the sources, built once, and hunted by the engine
//! simulation, one process per bug.
//!
//! No bug's text is in the product. A bug is data: what is broken, and texts that are replaced by others that keep the
//! original and add the bug behind a switch, `zoo::planted("its-name")`, which the environment variable `TIEOUT_ZOO` sets.

mod bugs;
mod copy;
mod hunt;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bugs::Bug;

/// What was asked for.
struct Options {
    only_check: bool,
    is_built: bool,
    only: Vec<String>,
    hunt: hunt::Settings,
    matrix: Option<u64>,
}

const USAGE: &str = "usage: cargo run -p xtask -- zoo [--check] [--no-build] [--only NAME,NAME] [--starts 5] [--limit 2000] \
                     [--jobs N] [--without I-L1] [--matrix SEEDS]";

/// Does what the words ask for: `--check` looks only whether every bug still fits the sources; otherwise all are hunted.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned();
    match options(words).and_then(|options| go(&root, &options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn options(words: &[String]) -> Result<Options, String> {
    let mut options =
        Options { only_check: false, is_built: false, only: Vec::new(), hunt: hunt::Settings::default(), matrix: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
        let number = |text: &String| text.parse::<u64>().map_err(|_| format!("{text:?} is no number\n{USAGE}"));
        match word.as_str() {
            "--check" => options.only_check = true,
            "--no-build" => options.is_built = true,
            "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
            "--starts" => options.hunt.starts = number(value()?)?.max(1),
            "--limit" => options.hunt.limit = number(value()?)?.max(1),
            "--jobs" => options.hunt.jobs = usize::try_from(number(value()?)?).unwrap_or(1).max(1),
            "--without" => options.hunt.without.push(value()?.clone()),
            "--matrix" => options.matrix = Some(number(value()?)?),
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(options)
}

fn go(root: &Path, options: &Options) -> Result<bool, String> {
    let bugs = bugs::load(&root.join("crates/sim/zoo"))?;
    let misfits = bugs::misfits(&bugs, |file| std::fs::read_to_string(root.join(file)).ok());
    for misfit in &misfits {
        println!("{misfit}");
    }
    // Without building, the last copy is hunted in, in which they fitted.
    if !misfits.is_empty() && !options.is_built {
        return Ok(false);
    }
    if options.only_check {
        println!("zoo: {} bugs fit the sources", bugs.len());
        return Ok(true);
    }
    let hunted: Vec<&Bug> =
        bugs.iter().filter(|bug| options.only.is_empty() || options.only.contains(&bug.name)).collect();
    if let Some(name) = options.only.iter().find(|name| bugs.iter().all(|bug| bug.name != **name)) {
        return Err(format!("there is no bug {name:?}"));
    }
    let tree = root.join("target/zoo/tree");
    let built = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target/zoo/build"), PathBuf::from);
    if !options.is_built {
        copy::write(root, &tree, &bugs)?;
        copy::build(&tree, &built)?;
    }
    let program = built.join("sim").join(format!("tieout-sim{}", std::env::consts::EXE_SUFFIX));
    if let Some(seeds) = options.matrix {
        let found = hunt::all_of(&program, &hunted, seeds, &options.hunt)?;
        print!("{}", table::matrix(&found, seeds));
        return Ok(true);
    }
    let hunts = hunt::hunt(&program, &hunted, &options.hunt)?;
    print!("{}", table::hunts(&hunts, &options.hunt));
    Ok(hunts.iter().all(|hunt| hunt.is_caught()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_still_fits_the_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let bugs = bugs::load(&root.join("crates/sim/zoo")).unwrap();
        assert!(bugs.len() >= 36, "{} bugs", bugs.len());
        let misfits = bugs::misfits(&bugs, |file| std::fs::read_to_string(root.join(file)).ok());
        assert!(misfits.is_empty(), "\n{}\n", misfits.join("\n"));
    }

    #[test]
    fn words_are_understood() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let read = options(&words("--only a,b --starts 3 --without I-L1 --limit 10")).ok().unwrap();
        assert_eq!((read.only, read.hunt.starts, read.hunt.limit), (words("a b"), 3, 10));
        assert_eq!(read.hunt.without, ["I-L1"]);
        assert!(options(&words("--starts")).is_err() && options(&words("--starts x")).is_err());
        assert!(options(&words("nothing")).is_err());
    }
}
