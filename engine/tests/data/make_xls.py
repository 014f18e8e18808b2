"""Writes people.xls beside this script. Needs xlwt 1.3.0 (pip install xlwt==1.3.0)."""

import datetime
import pathlib

import xlwt

book = xlwt.Workbook()
book.add_sheet("empty")
sheet = book.add_sheet("people")
date = xlwt.easyxf(num_format_str="YYYY-MM-DD")
for column, name in enumerate(["name", "born", "tall", "member", "zip", "score"]):
    sheet.write(2, column + 1, name)
rows = [
    ("Ada", datetime.date(1815, 12, 10), 1.65, True, "02134", "1"),
    ("Grace", datetime.date(1906, 12, 9), 1.7, False, "10001", "2"),
    ("Müller", datetime.date(2001, 1, 31), None, True, "99999", "3"),
]
for number, (name, born, tall, member, code, score) in enumerate(rows):
    row = 3 + number
    sheet.write(row, 1, name)
    # Excel's dates begin in 1900: earlier ones are texts there.
    if born.year >= 1900:
        sheet.write(row, 2, born, date)
    if tall is not None:
        sheet.write(row, 3, tall)
    sheet.write(row, 4, member)
    sheet.write(row, 5, code)
    sheet.write(row, 6, score)
book.save(str(pathlib.Path(__file__).with_name("people.xls")))
