//! Jobs: on when the operator says so, over and over, each in its place and at its own risk.

use std::time::Duration;
use std::time::Instant;

use serde_json::json;

use crate::folder::Folder;
use crate::guests;
use crate::host::Era;
use crate::host::Host;

fn host(folder: &Folder, jobs: &str) -> Host {
    let state = format!("state_dir = {:?}", folder.path().join("state"));
    let keys = format!("storage = {{ quota = \"1 MiB\", shared = true }}\njobs = {{ {jobs} }}");
    Host::new().server(&state).guest(guests::WORKS, &keys)
}

#[tokio::test]
async fn a_job_runs_over_and_over_as_a_caller_of_its_own() {
    let folder = Folder::new();
    let host = host(&folder, "tick = {}").start().await;
    host.logs("Job `tick` of plugin `works` runs next at ").await;
    host.logs("Job `tick` of plugin `works` ran: run 2, ").await;
    let client = host.connect(Era::Modern).await;
    // What the job stored for itself is not there for another caller.
    let seen = client.call("works_seen", json!({})).await.text();
    let (own, shared) = seen.split_once(" own, ").unwrap();
    assert_eq!(own, "0");
    assert!(shared.strip_suffix(" shared").unwrap().parse::<u32>().unwrap() >= 2, "{seen}");
}

#[tokio::test]
async fn jobs_that_come_to_no_good_are_told_of_and_run_again() {
    let folder = Folder::new();
    let host = host(&folder, "fail = {}, hang = {}, unknown = {}").start().await;
    for text in [
        "Job `fail` of plugin `works` failed: plugin `works` failed: there is no way",
        "Job `hang` of plugin `works` failed: the call took longer than its limit",
        "Job `unknown` of plugin `works` failed: plugin `works` failed: it has no job `unknown`",
    ] {
        host.logs(text).await;
    }
    let until = Instant::now() + Duration::from_secs(60);
    while host.log().matches("Job `fail` of plugin `works` failed").count() < 2 {
        assert!(Instant::now() < until, "{}", host.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!host.log().contains("Job `tick`"), "what is not switched on does not run: {}", host.log());
}

#[tokio::test]
async fn what_was_missed_while_no_host_was_there_is_made_up_for_by_one_run() {
    let folder = Folder::new();
    let first = host(&folder, "tick = {}").start().await;
    first.logs("ran: run 1, ").await;
    drop(first);
    // Nobody runs it meanwhile; two periods at least.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let second = host(&folder, "tick = {}").start().await;
    second.logs("Job `tick` of plugin `works` ran: run").await;
    let log = second.log();
    let line = log.lines().find(|line| line.contains("ran: run")).unwrap();
    assert!(!line.contains(", 0 missed"), "{line}");
}

#[tokio::test]
async fn a_job_that_is_not_declared_cannot_be_switched_on() {
    let folder = Folder::new();
    let ended = host(&folder, "tock = {}").run(&["check"]).await;
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("`jobs` names `tock`") && ended.stderr.contains("`tick`"), "{}", ended.stderr);
}
