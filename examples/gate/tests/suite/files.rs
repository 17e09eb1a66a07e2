//! Static files.

use std::fs;

use super::common::{Running, ann};

fn with_folder() -> Running {
    Running::start(|config, folder| {
        let files = folder.join("files");
        fs::create_dir_all(files.join("sub")).expect("made");
        fs::write(files.join("digits.txt"), "0123456789").expect("written");
        fs::write(files.join("sub/page.html"), "<p>").expect("written");
        fs::write(folder.join("secret.txt"), "outside").expect("written");
        config.app.files = Some(files);
    })
}

#[test]
fn the_built_in_files_need_no_folder() {
    let gate = Running::plain();
    let text = gate.get("/files/hello.txt");
    assert_eq!((text.status, text.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert_eq!(text.text(), include_str!("../../assets/files/hello.txt"));
    assert_eq!(gate.get("/files/shell.svg").header("content-type"), Some("image/svg+xml"));
    assert_eq!(gate.get("/files/none").status, 404);
}

#[test]
fn a_folder_is_served_with_types_and_ranges() {
    let gate = with_folder();
    let file = gate.get("/files/digits.txt");
    assert_eq!((file.status, file.text(), file.header("accept-ranges")), (200, "0123456789", Some("bytes")));
    assert_eq!(gate.get("/files/sub/page.html").header("content-type"), Some("text/html; charset=utf-8"));
    let login = ann();
    let ranged = |range: &str| {
        gate.send(format!(
            "GET /files/digits.txt HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{login}Range: {range}\r\n\r\n"
        ))
    };
    let part = ranged("bytes=2-5");
    assert_eq!((part.status, part.text(), part.header("content-range")), (206, "2345", Some("bytes 2-5/10")));
    assert_eq!(part.header("content-length"), Some("4"));
    assert_eq!(ranged("bytes=20-").status, 416);
    let tag = file.header("etag").expect("a tag").to_owned();
    let known = gate.send(format!(
        "GET /files/digits.txt HTTP/1.1\r\nHost: g\r\nConnection: close\r\n{login}If-None-Match: {tag}\r\n\r\n"
    ));
    assert_eq!((known.status, known.text()), (304, ""));
}

#[test]
fn nothing_outside_the_folder_is_reached() {
    let gate = with_folder();
    for path in [
        "/files/../secret.txt",
        "/files/%2e%2e/secret.txt",
        "/files/..%2fsecret.txt",
        "/files/..%5csecret.txt",
        "/files/sub/../../secret.txt",
        "/files//secret.txt",
        "/files/%00",
        "/files/sub",
        "/files/",
    ] {
        let reply = gate.get(path);
        assert!((400..500).contains(&reply.status) || reply.status == 301, "{path}: {}", reply.status);
        assert!(!reply.text().contains("outside"), "{path}");
    }
}

#[cfg(unix)]
#[test]
fn links_that_lead_out_and_dot_files_are_not_found() {
    use std::os::unix::fs::symlink;
    let gate = with_folder();
    let files = gate.folder().join("files");
    fs::write(files.join(".env"), "outside").expect("written");
    fs::create_dir(files.join(".git")).expect("made");
    fs::write(files.join(".git/config"), "outside").expect("written");
    symlink("../secret.txt", files.join("link.txt")).expect("linked");
    symlink("..", files.join("up")).expect("linked");
    symlink("digits.txt", files.join("near.txt")).expect("linked");
    fs::write(files.join("deploy.yml"), "outside").expect("written");
    for path in [
        "/files/link.txt",
        "/files/up/secret.txt",
        "/files/deploy.yml",
        "/files/.env",
        "/files/%2eenv",
        "/files/.git/config",
    ] {
        let reply = gate.get(path);
        assert_eq!((reply.status, reply.text().contains("outside")), (404, false), "{path}");
    }
    assert_eq!(gate.get("/files/near.txt").text(), "0123456789", "a link inside the folder is followed");
    assert_eq!(gate.get("/files/%64igits.txt").text(), "0123456789");
}
