//! `bs2 codes`: the catalogue of event codes, and one code explained.

use std::process::ExitCode;

use bs2_events::codec::code::{CodeName, Outcome};
use bs2_events::codec::{EventCode, SubjectKind};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;
use serde_json::{Value, json};

use crate::stdio::Output;

/// List the event codes, or explain one of them
///
/// The columns of the list are code, name, status of the name, category, outcome and note; a code has a line for each
/// name that it has or had.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Codes {
    /// A number such as 6401 or 0x1901, or a name with or without BS2_EVENT_; all codes if missing
    code: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl Codes {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut output = Output::new();
        match &self.code {
            None => self.list(&mut output)?,
            Some(text) if self.json => output.json(&explanation_json(parse(text)?))?,
            Some(text) => explain(parse(text)?, &mut output)?,
        }
        output.flush()?;
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self, output: &mut Output) -> Result<()> {
        let rows = EventCode::catalogue();
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        for CodeName { code, name, status, category, note, .. } in rows {
            let (code, outcome) = (number(*code), outcome(*code));
            let (status, category) = (status.to_string(), category.to_string());
            if self.json {
                output.json(&json!({
                    "code": code, "name": name, "status": status, "category": category, "outcome": outcome,
                    "note": note,
                }))?;
                continue;
            }
            let outcome = outcome.as_deref().unwrap_or("-");
            let line = format!("{code}  {name:width$}  {status:10}  {category:14}  {outcome:7}  {note}");
            output.line(line.trim_end())?;
        }
        Ok(())
    }
}

/// Everything about one code, as JSON.
fn explanation_json(code: EventCode) -> Value {
    let name =
        |row: &CodeName| json!({ "name": row.name, "status": row.status.to_string(), "note": row.note });
    let sub_codes = sub_codes(code);
    let sub_codes = sub_codes.iter().map(|(code, name)| json!({ "code": number(*code), "name": name }));
    json!({
        "code": number(code), "number": code.get(), "name": code.full_name(), "main": number(code.main()),
        "main_name": code.main_name(), "sub": code.sub(),
        "category": code.category().map(|category| category.to_string()), "outcome": outcome(code),
        "subject": {
            "kind": SubjectKind::of(code).to_string(), "confidence": SubjectKind::confidence(code).to_string(),
        },
        "names": code.names().iter().map(name).collect::<Vec<_>>(),
        "sub_codes": sub_codes.collect::<Vec<_>>(),
    })
}

/// Everything about one code, as lines for people.
fn explain(code: EventCode, output: &mut Output) -> Result<()> {
    let mut pair = |label: &str, value: &str| output.line(format!("{label:12}{value}").trim_end());
    let text = |row: &CodeName| match row.note {
        "" => format!("{} ({})", row.name, row.status),
        note => format!("{} ({}): {note}", row.name, row.status),
    };
    pair("code", &format!("{} ({})", number(code), code.get()))?;
    match (code.full_name(), code.names()) {
        (None, _) => pair("name", "unknown: the catalogue has none for this code")?,
        (Some(name), []) => {
            pair("name", &format!("{name}: only the main code is known, sub code {} is not", code.sub()))?;
        }
        (Some(_), [name, others @ ..]) => {
            pair("name", &text(name))?;
            others.iter().try_for_each(|name| pair("other name", &text(name)))?;
        }
    }
    let category = code.category().map(|category| category.to_string());
    let (kind, confidence) = (SubjectKind::of(code), SubjectKind::confidence(code));
    pair("main code", &format!("{} {}", number(code.main()), code.main_name().unwrap_or("unknown")))?;
    pair("sub code", &code.sub().to_string())?;
    pair("category", category.as_deref().unwrap_or("unknown"))?;
    pair("outcome", outcome(code).as_deref().unwrap_or("neither granted nor denied"))?;
    pair("subject", &format!("{kind} ({confidence} confidence)"))?;
    for (index, (code, name)) in sub_codes(code).into_iter().enumerate() {
        pair(if index == 0 { "sub codes" } else { "" }, &format!("{} {name}", number(code)))?;
    }
    Ok(())
}

/// The codes under a main code, and their names.
fn sub_codes(code: EventCode) -> Vec<(EventCode, &'static str)> {
    let is_below = |row: &&CodeName| code.sub() == 0 && row.code.main() == code && row.code != code;
    let mut codes: Vec<_> = EventCode::catalogue().iter().filter(is_below).map(|row| row.code).collect();
    codes.dedup();
    codes.into_iter().filter_map(|code| Some((code, code.name()?))).collect()
}

/// The code with this number or name. An error suggests similar names.
fn parse(text: &str) -> Result<EventCode> {
    text.parse().map_err(|error| {
        let near = near_names(text);
        let message = format!("cannot explain {text:?}");
        if near.is_empty() {
            Error::new(ErrorKind::NotFound, message).with_source(error)
        } else {
            Error::new(ErrorKind::NotFound, format!("{message}: near names are {}", near.join(", ")))
        }
    })
}

/// The names that contain the text or are almost equal to it, the nearest first.
fn near_names(text: &str) -> Vec<&'static str> {
    let text = text.to_ascii_uppercase();
    let text = text.trim_start_matches("BS2_").trim_start_matches("SUB_").trim_start_matches("EVENT_");
    if text.is_empty() {
        return Vec::new();
    }
    let mut near: Vec<_> = EventCode::catalogue()
        .iter()
        .flat_map(|row| [Some(row.name), row.sub_name])
        .flatten()
        .map(|name| (strsim::normalized_damerau_levenshtein(name, text), name))
        .filter(|(likeness, name)| *likeness >= LIKE || name.contains(text))
        .collect();
    near.sort_by(|(a, one), (b, other)| b.total_cmp(a).then(one.cmp(other)));
    near.dedup();
    near.into_iter().map(|(_, name)| name).take(NEAR_NAMES).collect()
}

/// How similar a suggested name must be, from 0 to 1: two wrong letters of ten.
const LIKE: f64 = 0.75;

/// How many names an error suggests.
const NEAR_NAMES: usize = 5;

/// A code as `0x` and four digits.
fn number(code: EventCode) -> String {
    format!("0x{:04X}", code.get())
}

/// What a code decided; `None` if it decides nothing.
fn outcome(code: EventCode) -> Option<String> {
    match code.outcome() {
        Outcome::Neither => None,
        outcome => Some(outcome.to_string()),
    }
}

const AFTER_HELP: &str = "\
Examples:
  bs2 codes | grep DOOR
  bs2 codes 0x1901
  bs2 codes ACCESS_DENIED";
