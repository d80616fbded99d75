//! Figures into files.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// Why a file of figures is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    #[error("cannot write {}: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("cannot draw into {}: {why}", path.display())]
    Draw { path: PathBuf, why: String },
}

/// Writes figures as JSON.
pub(crate) fn write_json(path: &Path, figures: &impl Serialize) -> Result<(), OutputError> {
    let error = |cause| OutputError::Write { path: path.to_owned(), cause };
    let json = serde_json::to_vec_pretty(figures).map_err(|cause| error(cause.into()))?;
    fs::write(path, json).map_err(error)
}

/// Draws into a folder, which is made where it is missing.
pub(crate) fn draw_into(
    folder: &Path,
    draw: impl FnOnce(&Path) -> Result<(), Box<dyn Error>>,
) -> Result<(), OutputError> {
    let drawn = fs::create_dir_all(folder).map_err(Into::into).and_then(|()| draw(folder));
    drawn.map_err(|error| OutputError::Draw { path: folder.to_owned(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = Folder::create().unwrap();
        let file = folder.path().join("figures.json");
        write_json(&file, &[1, 2]).unwrap();
        assert_eq!(serde_json::from_slice::<[u8; 2]>(&fs::read(&file).unwrap()).unwrap(), [1, 2]);
        let told = |error: OutputError| error.to_string();
        let below = file.join("x");
        assert!(told(write_json(&below, &1).unwrap_err()).contains("figures.json/x: Not a directory"));
        assert!(told(draw_into(&below, |_| Ok(())).unwrap_err()).contains("cannot draw into"));
        assert!(told(draw_into(folder.path(), |_| Err("no ink".into())).unwrap_err()).ends_with(": no ink"));
    }
}
