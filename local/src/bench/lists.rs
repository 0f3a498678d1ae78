//! What a page of a list takes and costs however much there is, and how fast a source is taken in.

use std::fmt::Write;
use std::time::{Duration, Instant};

use portal_domain::id::SiteId;
use serde_json::{Value, json};

use super::volume::{Volume, patient};
use super::{millis, percentile};
use crate::probe::{Probe, Request, Scene};
use crate::stack::Failure;

/// The numbers of bookings that lists are measured over.
const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// How often each page is asked for.
const REPEATED: usize = 101;
/// Into how many partitions the site's collections are spread.
const SHARDS: u8 = 4;
/// How many lines a batch of a source has, and how many batches are measured.
const LINES: usize = 1_000;
const BATCHES: usize = 3;

/// A page that was measured.
struct Measured {
    median: Duration,
    read_units: f64,
}

/// Measures pages of lists of bookings over 1,000 to `most` of them in one run, and the lines of a source before that.
///
/// # Errors
/// When a request is not answered with a success.
pub async fn run(most: u64) -> Result<String, Failure> {
    let probe = Probe::start(false).await?;
    let scene = probe.scene().await?;
    let site = scene.bound_site(SHARDS).await?;
    let mut report = fed(&probe).await?;
    let now = probe.stack.clock.now();
    let volume = Volume {
        store: &probe.stack.app.store,
        site,
        shards: SHARDS,
        now,
    };
    let mut first: Vec<Measured> = Vec::new();
    let mut made = 0;
    let _ = writeln!(
        report,
        "{:>10}  {:<34} {:>10} {:>7} {:>7}",
        "bookings", "page of 25", "median", "units", "ratio"
    );
    for size in SIZES.into_iter().filter(|size| *size <= most) {
        volume.grow(made, size).await?;
        made = size;
        for (at, (name, path)) in pages(site, now).into_iter().enumerate() {
            let measured = measure(&scene, &path).await?;
            let ratio = match first.get(at) {
                Some(first) => measured.median.as_secs_f64() / first.median.as_secs_f64(),
                None => 1.0,
            };
            let (median, units) = (millis(measured.median), measured.read_units);
            let _ = writeln!(
                report,
                "{size:>10}  {name:<34} {median:>7.2} ms {units:>7.1} {ratio:>7.2}"
            );
            if first.len() == at {
                first.push(measured);
            }
        }
    }
    Ok(report)
}

/// Pages from the beginning, from the middle and by what they are filtered by.
fn pages(site: SiteId, now: jiff::Timestamp) -> [(&'static str, String); 5] {
    let year_ago = now - jiff::SignedDuration::from_hours(365 * 24);
    [
        ("active, from the beginning", "/bookings?tab=active".to_owned()),
        ("past, from the beginning", "/bookings?tab=past".to_owned()),
        (
            "past, before a year ago",
            format!("/bookings?tab=past&until={year_ago}"),
        ),
        (
            "fulfilled, of one site",
            format!("/bookings?status=fulfilled&site_id={site}"),
        ),
        ("of one patient", format!("/bookings?patient_id={}", patient(0))),
    ]
}

async fn measure(scene: &Scene<'_>, path: &str) -> Result<Measured, Failure> {
    let request = scene.list(path);
    let mut times = Vec::with_capacity(REPEATED);
    let mut read_units = 0.0;
    for _ in 0..REPEATED {
        let asked = Instant::now();
        let answer = scene.founder.send(&request).await?.success()?;
        times.push(asked.elapsed());
        read_units = answer.cost.read_units;
    }
    times.sort();
    Ok(Measured {
        median: percentile(&times, 50),
        read_units,
    })
}

/// How many lines a second a source is taken in with.
async fn fed(probe: &Probe) -> Result<String, Failure> {
    let service = probe.service().await?;
    let site = json!([line(
        "sites",
        0,
        &json!({ "name": "Lakeside Online", "status": "live" })
    )]);
    service
        .send(&Request::post("/v1/ingest/sites", site))
        .await?
        .success()?;
    let mut took = Duration::ZERO;
    for batch in 0..BATCHES {
        let lines = (batch * LINES..(batch + 1) * LINES).map(|number| {
            let at = json!([{ "site": { "system": "sites", "value": "0" }, "joined_at": "2026-01-01T00:00:00Z" }]);
            let data = json!({ "given_name": "Patient", "family_name": format!("Number {number}"), "registrations": at });
            line("patients", number, &data)
        });
        let request = Request::post("/v1/ingest/patients", lines.collect());
        let asked = Instant::now();
        let answer = service.send(&request).await?.success()?;
        took += asked.elapsed();
        if answer.body["counts"]["created"] != LINES {
            return Err(format!("not all lines were taken: {}", answer.body["counts"]).into());
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let rate = (BATCHES * LINES) as f64 / took.as_secs_f64();
    Ok(format!(
        "{} lines about new patients in batches of {LINES}: {rate:.0} a second\n\n",
        BATCHES * LINES
    ))
}

fn line(of: &str, number: usize, data: &Value) -> Value {
    json!({
        "external": { "system": of, "value": number.to_string() }, "op": "upsert", "version": 1,
        "occurred_at": "2026-01-01T00:00:00Z", "data": data,
    })
}
