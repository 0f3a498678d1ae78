//! Rows as bytes: cells of a table, or lines of JSON.

use portal_app::Failed;
use portal_domain::export::ExportFormat;
use serde::Serialize;
use serde_json::Value;

/// What a spreadsheet takes for a formula when a cell begins with it, in half and in full width.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// What cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    /// A cell.
    #[error("a row cannot be written: {0}")]
    Csv(#[from] csv::Error),
    /// A line.
    #[error("a row cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// The buffer they are written into.
    #[error("a row cannot be written: {0}")]
    Buffer(String),
}

impl From<EncodeError> for Failed {
    fn from(error: EncodeError) -> Self {
        Self::Passing(error.into())
    }
}

/// Turns rows into bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoder {
    pub(crate) format: ExportFormat,
    /// What a row is made of, as paths into it with dots.
    pub(crate) columns: &'static [&'static str],
}

impl Encoder {
    /// What comes before the first row.
    pub(crate) fn header(self) -> Result<Vec<u8>, EncodeError> {
        match self.format {
            ExportFormat::Csv => table([self.columns.iter().map(|column| (*column).to_owned()).collect()]),
            ExportFormat::Ndjson => Ok(Vec::new()),
        }
    }

    /// The rows, in order.
    pub(crate) fn rows<R: Serialize>(self, rows: &[R]) -> Result<Vec<u8>, EncodeError> {
        match self.format {
            ExportFormat::Csv => {
                let rows: Vec<Vec<String>> = rows
                    .iter()
                    .map(|row| serde_json::to_value(row).map(|row| self.cells(&row)))
                    .collect::<Result<_, _>>()?;
                table(rows)
            }
            ExportFormat::Ndjson => {
                let mut lines = Vec::new();
                for row in rows {
                    serde_json::to_writer(&mut lines, row)?;
                    lines.push(b'\n');
                }
                Ok(lines)
            }
        }
    }

    fn cells(self, row: &Value) -> Vec<String> {
        let at = |column: &&str| {
            let value = column.split('.').try_fold(row, |value, name| value.get(name));
            match value {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => harmless(text),
                // A list or a map is told as JSON, which is no formula; neither is a number.
                Some(other) => other.to_string(),
            }
        };
        self.columns.iter().map(at).collect()
    }
}

/// The text, with an apostrophe before it if a spreadsheet would take it for a formula.
fn harmless(text: &str) -> String {
    let is_hidden = text.starts_with(['\t', '\r', '\n']);
    if is_hidden || text.trim_start().starts_with(FORMULA) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn table(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, EncodeError> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    writer
        .into_inner()
        .map_err(|error| EncodeError::Buffer(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: &[&str] = &["id", "patient.name", "amount_minor", "sites"];

    fn encoder(format: ExportFormat) -> Encoder {
        Encoder {
            format,
            columns: COLUMNS,
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_table_has_a_header_and_a_cell_for_each_path() {
        let csv = encoder(ExportFormat::Csv);
        assert_eq!(
            text(csv.header().unwrap()),
            "id,patient.name,amount_minor,sites\r\n"
        );
        let rows = [
            json!({ "id": "a", "patient": { "name": "Mia, \"M\" Okafor" }, "amount_minor": -5, "sites": ["x", "y"] }),
            json!({ "id": "b", "patient": null, "amount_minor": null, "sites": [] }),
        ];
        assert_eq!(
            text(csv.rows(&rows).unwrap()),
            "a,\"Mia, \"\"M\"\" Okafor\",-5,\"[\"\"x\"\",\"\"y\"\"]\"\r\nb,,,[]\r\n"
        );
        assert!(csv.rows::<Value>(&[]).unwrap().is_empty());
    }

    #[test]
    fn no_cell_is_a_formula() {
        for dangerous in [
            "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "－1",
        ] {
            assert_eq!(harmless(dangerous), format!("'{dangerous}"));
        }
        for plain in ["", "Okafor", "a=b", "'=1", "1-2", "é", "3"] {
            assert_eq!(harmless(plain), plain);
        }
    }

    #[test]
    fn a_line_of_json_is_the_row_as_it_is_told() {
        let ndjson = encoder(ExportFormat::Ndjson);
        assert!(ndjson.header().unwrap().is_empty());
        let rows = [json!({ "id": "=1\n" }), json!({ "id": null })];
        assert_eq!(
            text(ndjson.rows(&rows).unwrap()),
            "{\"id\":\"=1\\n\"}\n{\"id\":null}\n"
        );
    }
}
