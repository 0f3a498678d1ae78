//! `docs/cost.md`: round trips, units and dollars of every route.

use std::path::Path;

use portal_store::request::Tally;

use super::{code, notice, table};
use crate::probe::Priced;
use crate::stack::Failure;
use crate::template::Template;

/// What things cost, in dollars per million (us-east-1, on demand, after the free tier).
#[derive(Debug, Clone, Copy)]
pub struct Prices {
    /// The functions' memory.
    memory_mb: f64,
    /// A gigabyte-second of their processor.
    gb_second: f64,
}

const WRITE_UNIT: f64 = 0.625;
const READ_UNIT: f64 = 0.125;
const API_REQUEST: f64 = 1.00;
const INVOCATION: f64 = 0.20;
/// What a warm request is assumed to take: the table's answers, mostly.
const DURATION_MS: f64 = 10.0;

impl Prices {
    /// With the memory and the processor that the template of the project in `folder` names.
    ///
    /// # Errors
    /// When the template cannot be read.
    pub fn of(folder: &Path) -> Result<Self, Failure> {
        let template = Template::read(folder)?;
        let memory = template.at("/Globals/Function/MemorySize").as_f64();
        let is_arm = template.at("/Parameters/Architecture/Default") == "arm64";
        Ok(Self {
            memory_mb: memory.ok_or("the template names no memory size")?,
            gb_second: if is_arm { 13.3334 } else { 16.6667 },
        })
    }

    fn compute(&self) -> f64 {
        self.memory_mb / 1024.0 * (DURATION_MS / 1000.0) * self.gb_second
    }

    /// A million requests that cost `tally` each.
    #[must_use]
    pub fn million(&self, tally: &Tally) -> f64 {
        let table = tally.read_units * READ_UNIT + tally.write_units * WRITE_UNIT;
        table + API_REQUEST + INVOCATION + self.compute()
    }
}

/// The page.
#[must_use]
pub fn cost(all: &[Priced], prices: &Prices) -> String {
    let rows = all.iter().map(
        |Priced {
             operation,
             case,
             cost,
         }| {
            let operation = if case.is_empty() {
                code(operation)
            } else {
                format!("{}, {case}", code(operation))
            };
            vec![
                operation,
                cost.round_trips.to_string(),
                cost.read_units.to_string(),
                cost.write_units.to_string(),
                format!("{:.2}", prices.million(cost)),
            ]
        },
    );
    let (memory, compute) = (prices.memory_mb, prices.compute());
    format!(
        "# Cost\n\n{}\n\n\
         What one request asks of the table, and what a million of them cost. A test measures every row anew and fails when one \
         differs: a route does not get dearer unseen.\n\n\
         - **Round trips** are sequential: requests to the table that are under way at the same time count once. A read takes \
         one, a change two (everything is read at once, then one transaction). More only where named: the first sign-in makes \
         the account, the first request in an hour notes the member's activity, organizations are read after the memberships \
         that name them, a new address reads what the organizations allow, a seat that an expired invite still holds is \
         looked for after the plan's seats turned out to be used up, and rows of a bulk invite follow each other.\n\
         - **Units** are as the table reports them, indexes included; a write in a transaction counts twice. Measured in a \
         small organization with the embedded table, whose figures follow DynamoDB's rules: 4 KB a read unit, half for an \
         index, 1 KB a write unit. Of a condition check DynamoDB takes the write units of the item that it checks; of a \
         cancelled transaction it takes units, too, which it does not report and which are not in this table. Lists and \
         memberships cost more with more items: half a read unit for every 4 KB that an index query looks at.\n\
         - **Dollars** for a million requests (us-east-1, on demand, without free tier): read units {READ_UNIT} a million, \
         write units {WRITE_UNIT}, HTTP API requests {API_REQUEST:.2}, Lambda {INVOCATION:.2} and {compute:.3} for {DURATION_MS} \
         ms at {memory} MB as in the template. The duration is an assumption; the rest is counted. Exact to a cent.\n\
         - **Not in it**: storage, logs, data transfer, the stream (free for Lambda), and what happens after the answer: for \
         every invite one run of `relay` (a delete), one message of the queue, one run of `send-mail` (two reads, two \
         transactions on the invite) and one mail of SES (100 dollars a million), which is most of what an invite costs.\n\n{}",
        notice("a run of every route in a stack of its own"),
        table(
            &[
                "route",
                "round trips",
                "read units",
                "write units",
                "dollars a million"
            ],
            rows
        ),
    )
}
