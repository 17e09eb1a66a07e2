//! What the file system does meanwhile: links, pipes, changes, and what is kept open.

mod support;

use std::fs;
use std::time::Duration;

use bivalve_core::EntityChunk;
use support::{Site, get};

const HOUR: Duration = Duration::from_secs(3600);

#[cfg(unix)]
#[test]
fn links_lead_to_files_of_the_folder_and_nowhere_else() {
    use std::os::unix::fs::symlink;
    let outside = Site::new();
    outside.write("secret.txt", "secret");
    let site = Site::new();
    site.write("pub/a.txt", "inside");
    site.write("pub/deep/b.txt", "deep");
    for (target, link) in [
        ("a.txt", "pub/near.txt"),
        ("../pub/a.txt", "pub/around.txt"),
        ("deep", "pub/shallow"),
        (outside.path("secret.txt").to_str().expect("UTF-8"), "pub/absolute.txt"),
        (outside.folder().to_str().expect("UTF-8"), "pub/away"),
        ("../../../../../../../../etc/hostname", "pub/up.txt"),
        ("..", "pub/parent"),
        ("/proc/self/root/etc", "pub/proc"),
        ("loop.txt", "pub/loop.txt"),
        ("nothing.txt", "pub/broken.txt"),
    ] {
        symlink(target, site.path(link)).expect("linked");
    }
    // The folder itself may be a link.
    let door = outside.path("door");
    symlink(site.path("pub"), &door).expect("linked");
    let files =
        bivalve_static_files::StaticFiles::builder(&door).directory_listing(true).build().expect("a folder");
    let host = bivalve_core::testing::TestHost::new().mount(files);
    for (url, text) in [("/near.txt", "inside"), ("/shallow/b.txt", "deep")] {
        assert_eq!(get(&host, url, &[]).text(), text, "{url}");
    }
    for url in [
        "/around.txt",
        "/absolute.txt",
        "/away/secret.txt",
        "/away/",
        "/away",
        "/up.txt",
        "/parent/",
        "/parent/pub/a.txt",
        "/proc/hostname",
        "/loop.txt",
        "/broken.txt",
    ] {
        let answer = get(&host, url, &[]);
        assert_eq!((answer.status().as_u16(), answer.text()), (404, "Not Found"), "{url}");
    }
}

/// Somebody puts a link in place of the directory, over and over, while it is asked for.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_becomes_a_link_meanwhile_leads_nowhere() {
    use std::os::unix::fs::symlink;
    use std::sync::atomic::{AtomicBool, Ordering};
    let outside = Site::new();
    outside.write("a.txt", "secret");
    let site = Site::new();
    site.write("sub/a.txt", "inside");
    let host = site.host(|files| files.cached_files(0));
    let done = AtomicBool::new(false);
    let (mut inside, mut nothing) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fs::rename(site.path("sub"), site.path("aside")).expect("renamed");
                symlink(outside.folder(), site.path("sub")).expect("linked");
                fs::remove_file(site.path("sub")).expect("removed");
                fs::rename(site.path("aside"), site.path("sub")).expect("renamed");
            }
        });
        for _ in 0..5000 {
            match get(&host, "/sub/a.txt", &[]).text() {
                "inside" => inside += 1,
                text => {
                    assert_eq!(text, "Not Found");
                    nothing += 1;
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(inside + nothing == 5000);
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_a_socket_and_a_device_are_not_found_and_hold_nobody_up() {
    let site = Site::new();
    let made = std::process::Command::new("mkfifo").arg(site.path("pipe.txt")).status().expect("mkfifo runs");
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(site.path("socket.txt")).expect("a socket");
    let host = site.host(|files| files.directory_listing(true));
    for url in ["/pipe.txt", "/socket.txt"] {
        assert_eq!(get(&host, url, &[]).status(), 404, "{url}");
    }
    let page = get(&host, "/", &[]);
    assert!(!page.text().contains("pipe.txt") && !page.text().contains("socket.txt"), "{}", page.text());
    let devices = bivalve_static_files::StaticFiles::builder("/dev")
        .unknown_extensions(true)
        .build()
        .expect("a folder");
    let host = bivalve_core::testing::TestHost::new().mount(devices);
    for url in ["/zero", "/null", "/tty"] {
        assert_eq!(get(&host, url, &[]).status(), 404, "{url}");
    }
}

#[test]
fn what_is_known_is_served_without_asking_the_file_system() {
    let site = Site::new();
    site.write("small.txt", "small");
    site.write("large.bin", site.large());
    site.write("sub/index.html", "index");
    let host = site.host(|files| files.valid_for(HOUR));
    for url in ["/small.txt", "/large.bin", "/sub/", "/sub"] {
        assert!(get(&host, url, &[]).status().as_u16() < 400, "{url}");
    }
    assert_eq!(get(&host, "/later.txt", &[]).status(), 404);
    site.write("later.txt", "later");
    for name in ["small.txt", "large.bin", "sub/index.html"] {
        fs::remove_file(site.path(name)).expect("removed");
    }
    fs::remove_dir(site.path("sub")).expect("removed");
    assert_eq!(get(&host, "/small.txt", &[]).text(), "small");
    assert_eq!(get(&host, "/large.bin", &[]).body(), site.large());
    assert_eq!(get(&host, "/sub/", &[]).text(), "index");
    assert_eq!(get(&host, "/sub", &[]).status(), 301);
    assert_eq!(get(&host, "/later.txt", &[]).status(), 404, "nor what was not there");
    assert_eq!(get(&host, "/sm%61ll.txt", &[]).text(), "small", "written otherwise it is the same");
}

#[test]
fn what_is_no_longer_valid_is_looked_at_again() {
    let site = Site::new();
    let host = site.host(|files| files.valid_for(Duration::ZERO));
    assert_eq!(get(&host, "/a.txt", &[]).status(), 404);
    site.write("a.txt", "one");
    assert_eq!(get(&host, "/a.txt", &[]).text(), "one");
    // In place, with the same size and time of modification.
    site.write("a.txt", "two");
    assert_eq!(get(&host, "/a.txt", &[]).text(), "two");
    site.write("b.txt", "three");
    fs::rename(site.path("b.txt"), site.path("a.txt")).expect("renamed");
    assert_eq!(get(&host, "/a.txt", &[]).text(), "three");
    fs::remove_file(site.path("a.txt")).expect("removed");
    assert_eq!(get(&host, "/a.txt", &[]).status(), 404);
    site.write("a.txt/index.html", "four");
    assert_eq!(get(&host, "/a.txt/", &[]).text(), "four");
    assert_eq!(get(&host, "/a.txt", &[]).status(), 301);
}

#[test]
fn without_a_cache_each_request_sees_what_is_there() {
    let site = Site::new();
    let host = site.host(|files| files.cached_files(0).valid_for(HOUR));
    for text in ["one", "two", "three"] {
        site.write("a.txt", text);
        assert_eq!(get(&host, "/a.txt", &[]).text(), text);
    }
}

#[test]
fn a_file_that_is_not_small_is_sent_from_the_file() {
    let site = Site::new();
    site.write("a.bin", vec![7; 4097]);
    for (small, from_file) in [(4096, true), (4097, false), (0, true)] {
        let host = site.host(|files| files.small_file(small));
        let mut request = host.get("/a.bin");
        let _ = bivalve_core::testing::block_on(request.run_until(bivalve_core::Notification::LogRequest));
        let chunks = request.context().response().chunks();
        assert!(matches!(chunks, [EntityChunk::File(_)]) == from_file, "{small}: {chunks:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_more_files_are_kept_open_than_allowed() {
    let site = Site::new();
    let open = || {
        let prefix = fs::canonicalize(site.folder()).expect("a folder");
        let links = fs::read_dir("/proc/self/fd").expect("there").flatten();
        links
            .filter_map(|link| fs::read_link(link.path()).ok())
            .filter(|path| path.starts_with(&prefix))
            .count()
    };
    let host = site.host(|files| {
        files
            .small_file(0)
            .cached_files(32)
            .valid_for(HOUR)
            .precompressed([bivalve_static_files::Coding::Gzip])
    });
    for number in 0..300 {
        site.write(&format!("{number}.txt"), "x");
        site.write(&format!("{number}.txt.gz"), "y");
        assert_eq!(get(&host, &format!("/{number}.txt"), &[("accept-encoding", "gzip")]).text(), "y");
    }
    // The folder itself is open as well.
    let files = open() - 1;
    assert!((2..=32).contains(&files), "{files} are open");
    drop(host);
    assert_eq!(open(), 0, "and none when nobody serves it any more");
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_is_not_found() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    site.write("private.txt", "private");
    fs::set_permissions(site.path("private.txt"), fs::Permissions::from_mode(0o000)).expect("set");
    // Root reads everything.
    if fs::read(site.path("private.txt")).is_err() {
        let host = site.host(|files| files);
        assert_eq!(get(&host, "/private.txt", &[]).status(), 404);
    }
}

#[test]
fn precompressed_files_in_memory_count_as_well() {
    let site = Site::new();
    let host = site.host(|files| {
        files.cached_files(32).valid_for(HOUR).precompressed([bivalve_static_files::Coding::Gzip])
    });
    let names: Vec<_> = (0..32).map(|number| format!("{number}.txt")).collect();
    for name in &names {
        site.write(name, "x");
        site.write(&format!("{name}.gz"), "y");
        assert_eq!(get(&host, &format!("/{name}"), &[]).status(), 200);
    }
    for name in &names {
        fs::remove_file(site.path(name)).expect("removed");
    }
    let kept = names.iter().filter(|name| get(&host, &format!("/{name}"), &[]).status() == 200).count();
    assert!((1..=16).contains(&kept), "{kept} pairs are kept");
}
