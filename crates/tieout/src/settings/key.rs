//! The encryption key: from its variable or its file, never from the settings file, never shown.

use std::io::Write;
use std::path::Path;

use sync::Vault;
use xero::{Entropy, Secret};

use super::typed::Settings;
use crate::failure::{Exit, Failure};

const MAKE_ONE: &str =
    "tieout config new-key --file tieout.key, then set encryption_key_file or TIEOUT_ENCRYPTION_KEY_FILE";

/// The vault with the configured key.
pub(crate) fn encryption_key(settings: &Settings) -> Result<Vault, Failure> {
    let (key, place) = match (&settings.encryption_key, &settings.encryption_key_file) {
        (Some(key), _) => (key.clone(), "TIEOUT_ENCRYPTION_KEY".to_owned()),
        (None, Some(path)) => (read(path)?, path.display().to_string()),
        (None, None) => {
            let message = "there is no encryption key, and tokens are never stored unencrypted";
            return Err(Failure::new(Exit::Config, message).next(MAKE_ONE));
        }
    };
    Vault::new(&key).map_err(|error| {
        Failure::new(Exit::Config, format!("{place}: {error}")).next("tieout config new-key --file tieout.key")
    })
}

fn read(path: &Path) -> Result<Secret, Failure> {
    let failure = |what: String, next: String| Failure::new(Exit::Config, what).next(next);
    let text = std::fs::read_to_string(path)
        .map_err(|error| failure(format!("cannot read the key file {}: {error}", path.display()), MAKE_ONE.into()))?;
    let key = Secret::new(text);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_or(0, |data| data.permissions().mode() & 0o777);
        if mode & 0o077 != 0 {
            let message = format!("the key file {} is open to others (mode {mode:04o})", path.display());
            return Err(failure(message, format!("chmod 600 {}", path.display())));
        }
    }
    Ok(key)
}

/// Makes a key: 64 hex digits.
pub(crate) fn new_key(entropy: &dyn Entropy) -> Secret {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Makes a key and, if a file is named, writes it there, for its owner only; an existing file is never overwritten.
pub(crate) fn write_new_key(entropy: &dyn Entropy, path: Option<&Path>) -> Result<Secret, Failure> {
    let key = new_key(entropy);
    let Some(path) = path else { return Ok(key) };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let written = options.open(path).and_then(|mut file| {
        writeln!(file, "{}", key.expose())?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let message = format!(
                "{} is there already; a key that is overwritten is lost, and every token with it",
                path.display()
            );
            Err(Failure::new(Exit::Failed, message).next("tieout config new-key --file another-name.key"))
        }
        Err(error) => Err(Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_a_key() {
        let key = new_key(&xero::SystemEntropy);
        assert_eq!(key.expose().len(), 64);
        assert!(Vault::new(&key).is_ok());
        assert_ne!(key.expose(), new_key(&xero::SystemEntropy).expose());
    }
}
