//! How the log directories are, for people and the metrics page.

use trimaran_types::DirectoryId;

use super::{DataDirStatus, Replicas};

impl Replicas {
    /// Every log directory, for people.
    #[must_use]
    pub fn dir_statuses(&self) -> Vec<DataDirStatus> {
        let handles = self.table.all();
        let not_made = self.not_made.all();
        let of = |id: DirectoryId| {
            let open = handles.iter().filter(|it| it.directory_id() == id);
            let refused = not_made.iter().filter(|it| it.place == Some(id));
            DataDirStatus {
                id: Some(id),
                replicas: open.clone().count(),
                lacking_room: open.filter(|it| it.status().lacks_room).count(),
                not_made: refused.clone().count(),
                not_made_for_room: refused.filter(|it| it.lacks_room).count(),
                ..DataDirStatus::default()
            }
        };
        let taken = self.dirs.iter().map(|dir| DataDirStatus {
            path: dir.dir.data_dir().to_owned(),
            failure: dir.dir.context().latch.failure().map(ToString::to_string),
            ..of(dir.id())
        });
        let unusable = self
            .dirs
            .unusable()
            .iter()
            .map(|(path, cause)| DataDirStatus {
                path: path.clone(),
                failure: Some(cause.clone()),
                ..DataDirStatus::default()
            });
        taken.chain(unusable).collect()
    }
}
