//! Reports as objects of S3: written by gor-replay and gor-report, read again, and not lost where that fails.

use crate::support::origin::Origin;
use crate::support::program::{Ran, run};
use crate::support::proxy::{Harm, Passed, Proxy};
use crate::support::replayer::{gets, good};
use crate::support::s3::{S3, read, reading};

/// An origin, and a recording of three requests for it.
struct Scene {
    folder: tempfile::TempDir,
    origin: Origin,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("in.gor"), gets(&[(0, "/a"), (1, "/b"), (2, "/c")]))
            .expect("a file");
        Scene { folder, origin: Origin::start(good) }
    }

    /// A replay of it, with these options.
    fn replay(&self, port: u16, options: &[&str]) -> Ran {
        let input = self.path("in.gor");
        let target = format!("http://{}", self.origin.address());
        let args = [&["-q", "-i", &input, &target], options].concat();
        let mut command = reading(port, "gor-replay", &args);
        command.env("TMPDIR", self.folder.path());
        Ran::new("gor-replay", &args, command.output().expect("it runs"))
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Reports that were kept.
    fn kept(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).expect("a folder");
        let names = names.map(|entry| entry.expect("an entry").path().display().to_string());
        names.filter(|name| name.contains("gor-report-")).collect()
    }
}

fn is_put(passed: &Passed) -> bool {
    passed.line.starts_with("PUT ")
}

#[test]
fn reports_are_objects_in_all_formats_and_gor_report_adds_up_those_below_a_prefix() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let scene = Scene::new();
    let names = ["json", "txt", "html"].map(|end| format!("s3://bucket/reports/one.{end}"));
    let options: Vec<&str> = names.iter().flat_map(|name| ["--report", name]).collect();
    scene.replay(server.port(), &options).ends_with(0).is_silent();
    let objects = server.objects("bucket");
    let keys: Vec<_> = objects.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["reports/one.html", "reports/one.json", "reports/one.txt"]);
    assert!(objects[0].1.starts_with(b"<!DOCTYPE html>"));
    scene.replay(server.port(), &["--report", "s3://bucket/parts/two.json"]).ends_with(0);
    let (one, two) = ("s3://bucket/reports/one.json", "s3://bucket/parts/two.json");
    read(server.port(), "gor-report", &[one]).ends_with(0).is_silent().writes(&objects[2].1);
    // Both, to an object and to a file.
    let sum = scene.path("sum.json");
    let args = [one, "s3://bucket/parts/", "-o", &sum, "-o", "s3://bucket/sums/all.json"];
    read(server.port(), "gor-report", &args).ends_with(0).is_silent();
    let written = std::fs::read(&sum).expect("the sum");
    let report: serde_json::Value = serde_json::from_slice(&written).expect("JSON");
    assert_eq!((&report["total"]["due"], &report["total"]["answered"]), (&6.into(), &6.into()));
    let read_again =
        read(server.port(), "gor-report", &["s3://bucket/*/*.json", "-o", &scene.path("x.json")]);
    read_again.ends_with(0);
    let sums = server.objects("bucket").into_iter().filter(|(key, _)| key == "sums/all.json");
    assert_eq!(sums.map(|(_, content)| content).collect::<Vec<_>>(), [written]);
    // A sum that is read as well would be counted again each time.
    let args = ["--force", two, "s3://bucket/sums/", "-o", "s3://bucket/sums/all.json"];
    read(server.port(), "gor-report", &args)
        .ends_with(2)
        .says("s3://bucket/sums/all.json: it is also an input");
}

#[test]
fn an_object_that_exists_is_only_overwritten_by_force_as_a_file_is() {
    let Some(server) = S3::start() else { return };
    server.put("bucket", &[("run.json", "precious"), ("empty.json", "")]);
    let scene = Scene::new();
    for name in ["s3://bucket/run.json", "s3://bucket/empty.json"] {
        let refused = scene.replay(server.port(), &["--report", name]);
        refused.ends_with(2).says(&format!("{name}: the object exists; --force overwrites it"));
    }
    assert!(scene.origin.received().is_empty(), "nothing was sent");
    assert_eq!(server.objects("bucket")[1].1, b"precious");
    scene.replay(server.port(), &["--report", "s3://bucket/run.json", "--force"]).ends_with(0).is_silent();
    assert!(server.objects("bucket")[1].1.starts_with(b"{\"format\":\"gor-report\""));
    let twice = ["--report", "s3://bucket/a.json", "--report", "s3://bucket/a.json"];
    scene.replay(server.port(), &twice).ends_with(2).says("this report is named twice");
}

#[test]
fn what_is_wrong_with_a_reports_place_is_said_before_anything_is_sent() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let scene = Scene::new();
    let missing = scene.replay(server.port(), &["--report", "s3://missing/run.json"]);
    missing
        .ends_with(1)
        .says("gor-replay: s3://missing/run.json: there is no such bucket at http://127.0.0.1:");
    for (name, why) in
        [("s3://bucket/reports/*.json", "name one object"), ("s3:///run.json", "the bucket is missing")]
    {
        scene.replay(server.port(), &["--report", name]).ends_with(2).says(why);
    }
    let input = scene.path("in.gor");
    let target = format!("http://{}", scene.origin.address());
    let args = ["-i", &input, "--report", "s3://bucket/run.json", &target];
    for (variable, value, why) in [
        ("AWS_ACCESS_KEY_ID", "nobody", "check AWS_ACCESS_KEY_ID"),
        ("AWS_SECRET_ACCESS_KEY", "wrong", "check AWS_SECRET_ACCESS_KEY"),
    ] {
        let mut command = reading(server.port(), "gor-replay", &args);
        command.env(variable, value);
        let ran = Ran::new("gor-replay", &args, command.output().expect("it runs"));
        ran.ends_with(1).says("s3://bucket/run.json: ").says(why);
    }
    assert!(scene.origin.received().is_empty(), "nothing was sent");
    // Files are the same: what cannot be written ends with 1.
    for file in ["missing/run.json", "in.gor/run.json", "."] {
        let path = format!("{}/{file}", scene.folder.path().display());
        let path = if file == "." { format!("{path}.json") } else { path };
        if file == "." {
            std::fs::create_dir(&path).expect("a folder");
        }
        scene.replay(server.port(), &["--report", &path]).ends_with(1).says(&path);
        read(server.port(), "gor-report", &[&input, "-o", &path]).ends_with(1);
    }
    assert!(scene.origin.received().is_empty(), "nothing was sent");
}

#[test]
fn a_report_that_cannot_be_uploaded_is_kept_in_a_file() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let scene = Scene::new();
    let full = "HTTP/1.1 400 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let proxy = Proxy::start(
        server.port(),
        move |passed, _| if is_put(passed) { Harm::Answer(full) } else { Harm::None },
    );
    let ran = scene.replay(proxy.port(), &["--report", "s3://bucket/run.json"]);
    let kept = scene.kept();
    assert_eq!(kept.len(), 1, "{ran}");
    ran.ends_with(1).says("s3://bucket/run.json: ").says(&format!("; the report is kept in {}", kept[0]));
    run("gor-report", &[&kept[0]], b"").ends_with(0).is_silent();
    assert_eq!(scene.origin.received().len(), 3);
    assert!(server.objects("bucket").is_empty());
    // A threshold decides the exit status whatever else went wrong.
    scene
        .replay(proxy.port(), &["--report", "s3://bucket/run.json", "--fail-if", "rate<9000000/s"])
        .ends_with(3)
        .says("the report is kept in ");
}

#[test]
fn an_upload_is_tried_again_and_an_answer_that_is_lost_is_no_error() {
    let Some(server) = S3::start() else { return };
    server.make("bucket");
    let scene = Scene::new();
    let puts = std::sync::atomic::AtomicUsize::new(0);
    let proxy = Proxy::start(server.port(), move |passed, _| {
        match is_put(passed).then(|| puts.fetch_add(1, std::sync::atomic::Ordering::SeqCst)) {
            Some(0) => Harm::Answer("HTTP/1.1 503 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
            Some(1) => Harm::NoAnswer,
            _ => Harm::None,
        }
    });
    scene.replay(proxy.port(), &["--report", "s3://bucket/run.json"]).ends_with(0).is_silent();
    assert_eq!(proxy.lines().iter().filter(|line| line.starts_with("PUT ")).count(), 3);
    let report = read(server.port(), "gor-report", &["s3://bucket/run.json"]);
    report.ends_with(0);
    assert!(scene.kept().is_empty());
}
