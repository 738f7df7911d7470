//! Files that hold a secret and that every user of this machine may read.

use std::path::PathBuf;

use super::PREFIX;
use super::known::SECRETS;

/// Each with the variable that names it. A group may read a file: that is how a service is given one of another
/// owner.
#[cfg(unix)]
pub fn exposed_secret_files(vars: impl Iterator<Item = (String, String)>) -> Vec<(String, PathBuf)> {
    use std::os::unix::fs::PermissionsExt;
    const READABLE_BY_ALL: u32 = 0o004;
    let names_secret = |variable: &String| {
        let name = variable.strip_prefix(PREFIX).map(str::to_lowercase);
        name.is_some_and(|name| name.strip_suffix("_file").is_some_and(|name| SECRETS.contains(&name)))
    };
    let exposed = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & READABLE_BY_ALL != 0)
    };
    let files = vars.filter(|(variable, _)| names_secret(variable));
    files.map(|(variable, path)| (variable, PathBuf::from(path))).filter(|(_, path)| exposed(path)).collect()
}

/// Outside Unix, file modes do not show who may read a file.
#[cfg(not(unix))]
pub fn exposed_secret_files(_: impl Iterator<Item = (String, String)>) -> Vec<(String, PathBuf)> {
    Vec::new()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_of_secrets_that_all_may_read_is_found_and_no_other() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        let found = |variable: &str, mode: u32| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            exposed_secret_files([(variable.to_string(), path.clone())].into_iter()).len()
        };
        for secret in ["CHECKOUT_JWT_SECRET_FILE", "CHECKOUT_DATABASE_URL_FILE"] {
            assert_eq!(
                [0o600, 0o640, 0o644, 0o604].map(|mode| found(secret, mode)),
                [0, 0, 1, 1],
                "{secret}"
            );
        }
        for other in ["CHECKOUT_JWT_PUBLIC_KEY_FILE", "CHECKOUT_LISTEN", "OTHER_FILE"] {
            assert_eq!(found(other, 0o644), 0, "{other}");
        }
    }
}
