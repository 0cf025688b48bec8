//! [`Printer`]: standard output. A reader that leaves early ends the command, without a fuss.

use std::io::{BufWriter, Stdout, Write};

use serde::Serialize;

use super::OutputFormat;
use crate::failure::Failure;

/// Writes results. Buffered: call [`Printer::flush`] whenever the reader should see them.
#[derive(Debug)]
pub(crate) struct Printer<W: Write = BufWriter<Stdout>> {
    format: OutputFormat,
    out: W,
}

impl Printer {
    /// To standard output.
    pub(crate) fn to_stdout(format: OutputFormat) -> Self {
        Self {
            format,
            out: BufWriter::new(std::io::stdout()),
        }
    }
}

impl<W: Write> Printer<W> {
    #[cfg(test)]
    pub(crate) fn new(format: OutputFormat, out: W) -> Self {
        Self { format, out }
    }

    /// For whom it writes.
    pub(crate) fn format(&self) -> OutputFormat {
        self.format
    }

    /// One line of text.
    ///
    /// # Errors
    /// When the output is closed or fails, as for all that follow.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.raw(text.as_bytes())?;
        self.raw(b"\n")
    }

    /// Bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out
            .write_all(bytes)
            .map_err(|error| Self::failure(&error))
    }

    /// One value as JSON over several lines.
    pub(crate) fn json<T: Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
        self.line(&text)
    }

    /// One value as one line of JSON.
    pub(crate) fn json_line<T: Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::failed(format!("cannot write JSON: {error}")))?;
        self.line(&text)
    }

    /// Hands everything to the reader.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| Self::failure(&error))
    }

    /// Either form of one result, then a flush.
    pub(crate) fn result<T: Serialize>(
        &mut self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            OutputFormat::Table => self.line(&text(value))?,
            OutputFormat::Json => self.json(value)?,
        }
        self.flush()
    }

    fn failure(error: &std::io::Error) -> Failure {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Failure::output_closed()
        } else {
            Failure::failed(format!("cannot write the output: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        let mut printer = Printer::new(OutputFormat::Table, Closed);
        assert_eq!(printer.line("x"), Err(Failure::output_closed()));
    }

    #[test]
    fn each_format_has_its_form() {
        let mut printer = Printer::new(OutputFormat::Json, Vec::new());
        printer
            .result(&[1, 2], |_| unreachable!("JSON was asked for"))
            .unwrap();
        assert_eq!(printer.out, b"[\n  1,\n  2\n]\n");
        let mut printer = Printer::new(OutputFormat::Table, Vec::new());
        printer
            .result(&[1, 2], |numbers| format!("{} numbers", numbers.len()))
            .unwrap();
        assert_eq!(printer.out, b"2 numbers\n");
    }
}
