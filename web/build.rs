//! Puts what `npm run build` made, and the sample data, into the binary. Without it the binary serves the API alone.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let dist = here.join("dist");
    let samples = here.join("../samples/nycflights13");
    for folder in [&dist, &samples] {
        println!("cargo:rerun-if-changed={}", folder.display());
    }
    let mut found = Vec::new();
    files(&dist, &dist, "/", &mut found)?;
    files(&samples, &samples, "/samples/", &mut found)?;
    found.sort();
    let packed = |path: &Path, ending: &str| {
        let packed = PathBuf::from(format!("{}.{ending}", path.display()));
        match packed.is_file() {
            true => format!("Some(include_bytes!({:?}))", packed.display().to_string()),
            false => "None".to_owned(),
        }
    };
    let mut table = String::from("static FILES: &[File] = &[\n");
    for (address, path) in &found {
        table += &format!(
            "    File {{ address: {address:?}, plain: include_bytes!({:?}), br: {}, gzip: {} }},\n",
            path.display().to_string(),
            packed(path, "br"),
            packed(path, "gz"),
        );
    }
    table += "];\n";
    fs::write(out.join("files.rs"), table)
}

/// The files of a folder by the address that they are served at, without their packed forms.
fn files(root: &Path, folder: &Path, at: &str, found: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files(root, &path, at, found)?;
            continue;
        }
        let is_packed = ["br", "gz"].iter().any(|ending| path.extension().is_some_and(|e| e == *ending))
            && path.with_extension("").is_file();
        if !is_packed && let Ok(name) = path.strip_prefix(root) {
            found.push((format!("{at}{}", name.to_string_lossy().replace('\\', "/")), path));
        }
    }
    Ok(())
}
