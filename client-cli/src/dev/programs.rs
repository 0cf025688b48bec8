//! [`Programs`]: the executables of the nodes.

use std::path::PathBuf;

use super::node_name::NodeRole;
use crate::failure::Failure;

/// Names the folder of the executables, where they are not beside this one.
const FOLDER_VARIABLE: &str = "TRIMARAN_BIN_DIR";

/// Where the executables are.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    controller: PathBuf,
    broker: PathBuf,
}

impl Programs {
    /// Those in `TRIMARAN_BIN_DIR`, or beside this executable.
    ///
    /// # Errors
    /// When one of them is not there.
    pub(crate) fn find() -> Result<Self, Failure> {
        let folder = match std::env::var_os(FOLDER_VARIABLE) {
            Some(folder) => PathBuf::from(folder),
            None => std::env::current_exe()
                .ok()
                .and_then(|path| path.parent().map(ToOwned::to_owned))
                .ok_or_else(|| Failure::failed("cannot tell where this program lies"))?,
        };
        let found =
            |name: &str| {
                let path = folder.join(name);
                if path.is_file() {
                    return std::path::absolute(&path)
                        .map_err(|error| Failure::failed(error.to_string()));
                }
                Err(Failure::failed(format!("there is no {}", path.display())).try_next(format!(
                "make build, or say where the programs are: {FOLDER_VARIABLE}=DIR trimaran dev"
            )))
            };
        Ok(Self {
            controller: found("trimaran-controller")?,
            broker: found("trimaran-broker")?,
        })
    }

    /// The executable of nodes of this kind.
    pub(super) fn of(&self, role: NodeRole) -> &PathBuf {
        match role {
            NodeRole::Controller => &self.controller,
            NodeRole::Broker => &self.broker,
        }
    }
}
