"""Problems of a whole file: what is wrong, where, and how to correct it. Nothing of such a file is stored."""

from typing import Final

from chengxin.errors import exhausted, invalid, unavailable

FILE_KIND_UNKNOWN = invalid(
    "FILE_KIND_UNKNOWN",
    "无法识别文件“{name}”的类型，请报送 CSV（.csv）、Excel（.xlsx）或 JSON Lines（.jsonl）文件",
    "The kind of file “{name}” is not known; deliver CSV (.csv), Excel (.xlsx) or JSON Lines (.jsonl)",
)
FILE_EMPTY = invalid(
    "FILE_EMPTY",
    "文件是空的，请确认所选文件",
    "The file is empty; check that it is the one you meant",
)
FILE_NO_RECORDS = invalid(
    "FILE_NO_RECORDS",
    "文件只有表头，没有记录",
    "The file has a header and no records",
)
FILE_ENCODING_UNKNOWN = invalid(
    "FILE_ENCODING_UNKNOWN",
    "文件从第 {offset} 个字节起既不是 UTF-8 也不是 GB18030 编码；可能已截断或损坏，请另存为 CSV（UTF-8）后重新报送",
    "From byte {offset} the file is neither UTF-8 nor GB18030; it may be cut or damaged: save it as CSV (UTF-8) again",
)
FILE_QUOTES_BROKEN = invalid(
    "FILE_QUOTES_BROKEN",
    "第 {row} 行的引号不配对（{reason}）；文件可能已截断，请检查该行的双引号后重新报送",
    "Quotes do not match in row {row} ({reason}); the file may be cut: check the double quotes of that row",
)
FILE_ROW_WIDTH = invalid(
    "FILE_ROW_WIDTH",
    "第 {row} 行有 {actual} 列，表头有 {expected} 列；文件可能已截断，或单元格中的逗号、换行没有用双引号括起",
    "Row {row} has {actual} cells, the header has {expected}; the file may be cut, or a comma or line break in a cell"
    " is not within double quotes",
)
FILE_TOO_WIDE = invalid(
    "FILE_TOO_WIDE",
    "表头有 {actual} 列，最多 {limit} 列；请删除目录以外的列",
    "The header has {actual} columns, the limit is {limit}; remove the columns that are not in the catalog",
)
FILE_COLUMN_UNKNOWN = invalid(
    "FILE_COLUMN_UNKNOWN",
    "目录中没有这些列：{columns}。请改为信息项的代码或名称，或删除该列；未报送的信息项：{missing}",
    "The catalog entry has no such columns: {columns}. Use the codes or names of its items, or remove them; items not"
    " delivered: {missing_en}",
)
FILE_COLUMN_UNNAMED = invalid(
    "FILE_COLUMN_UNNAMED",
    "第 {position} 列没有列名，请补充列名或删除该列",
    "Column {position} has no name; name it or remove it",
)
FILE_COLUMN_TWICE = invalid(
    "FILE_COLUMN_TWICE",
    "信息项 {item} 出现在多列：{columns}，请只保留一列",
    "Item {item} is in several columns: {columns}; keep one",
)
FILE_COLUMN_MISSING = invalid(
    "FILE_COLUMN_MISSING",
    "缺少必填的列：{columns}",
    "Required columns are missing: {columns_en}",
)
FILE_LINE_NOT_JSON = invalid(
    "FILE_LINE_NOT_JSON",
    "第 {row} 行不是完整的 JSON 对象（{reason}）；文件可能已截断",
    "Line {row} is not a whole JSON object ({reason}); the file may be cut",
)
FILE_LINE_TOO_LONG = invalid(
    "FILE_LINE_TOO_LONG",
    "第 {row} 行超过 {limit} 个字符，请检查该行是否缺少换行或引号",
    "Line {row} is longer than {limit} characters; check it for a missing line break or quote",
)
FILE_CHARACTER_BROKEN = invalid(
    "FILE_CHARACTER_BROKEN",
    "第 {row} 行“{column}”中的 {character} 只是半个字符（UTF-16 代理项须成对出现），可能在导出时被截断；请改正该单元格后重新报送",
    "In line {row}, “{column}”, {character} is half a character (surrogates of UTF-16 come in pairs): it may have been cut"
    " when it was exported; correct that cell and deliver the file again",
)
FILE_WORKBOOK_BROKEN = invalid(
    "FILE_WORKBOOK_BROKEN",
    "无法读取 Excel 文件（{reason}），请在电子表格软件中打开并另存为 .xlsx 后重新报送",
    "The Excel file cannot be read ({reason}); open it in a spreadsheet program and save it as .xlsx again",
)
FILE_WORKBOOK_VALUE_MISSING = invalid(
    "FILE_WORKBOOK_VALUE_MISSING",
    "这些单元格是错误值（如 #N/A），或公式尚未计算出结果：{cells}。请改正后在电子表格软件中重新保存",
    "These cells hold an error (such as #N/A) or a formula without its result: {cells}. Correct them, and save the"
    " workbook in a spreadsheet program again",
)
FILE_WORKBOOK_MERGED = invalid(
    "FILE_WORKBOOK_MERGED",
    "工作表有合并单元格（{ranges}），无法判断其内容属于哪一列或哪一行，请取消合并后重新报送",
    "The sheet has merged cells ({ranges}), so it is not clear which column or row their content belongs to; unmerge them",
)
FILE_WORKBOOK_OTHER = invalid(
    "FILE_WORKBOOK_OTHER",
    "文件 {name} 是设有打开密码的工作簿，或旧版 Office 文件（如 .xls），无法读取；请在电子表格软件中打开，取消密码，另存为 .xlsx 后重新报送",
    "File {name} is a workbook that is protected by a password, or of an old Office format (such as .xls), and cannot be"
    " read; open it in a spreadsheet program, take the password off, and save it as .xlsx",
)
FILE_CELL_OUTSIDE = invalid(
    "FILE_CELL_OUTSIDE",
    "单元格 {cell} 有内容，但该列没有列名（表头到 {last} 列为止）；请清除该单元格，或在表头补充列名",
    "Cell {cell} holds something, but its column has no name (the header ends at column {last}); clear the cell, or name"
    " the column",
)
FILE_SHEET_TOO_LARGE = exhausted(
    "FILE_SHEET_TOO_LARGE",
    413,
    "单元格 {cell} 使工作表超过上限（{limit} 个单元格，空白行列也计算在内）；如该处只是空格，请删除其所在的行或列，否则请分成几个文件，或"
    "另存为 CSV",
    "With cell {cell} the sheet is larger than the limit ({limit} cells, empty rows and columns between included); if there"
    " is only a space in it, delete its row or column, else split the file, or save it as CSV",
)
FILE_WORKBOOK_TOO_LARGE = exhausted(
    "FILE_WORKBOOK_TOO_LARGE",
    413,
    "Excel 文件展开后超过上限（{limit}），请分成几个文件，或另存为 CSV",
    "The Excel file unpacks to more than the limit ({limit}); split it, or save it as CSV",
)
FILE_UNREADABLE = invalid(
    "FILE_UNREADABLE",
    "文件没有读完（{reason}），没有保存任何内容；请确认文件没有损坏，很大的文件请分成几个后重新报送",
    "The file was not read to its end ({reason}), and nothing of it is stored; check that it is not damaged, and split it if"
    " it is very large",
)
FILE_READERS_BUSY = unavailable(
    "FILE_READERS_BUSY",
    "正在读取的文件太多，您的文件没有被读取；请稍后重试",
    "Too many files are being read, so yours was not; try again shortly",
)
FILE_SHARE_USED = exhausted(
    "FILE_SHARE_USED",
    429,
    "贵单位的文件近来占用的处理时间已达上限，本文件没有被读取；请稍后重试，很大的 Excel 文件可另存为 CSV",
    "Your files have used up the processor time that one caller has, so this one was not read; try again later, and save"
    " very large workbooks as CSV",
)
FILE_NOT_READ_NOW = unavailable(
    "FILE_NOT_READ_NOW",
    "文件没有读完（{reason}），没有保存任何内容；请稍后重试，仍然如此时请把文件分成几个",
    "The file was not read to its end ({reason}), and nothing of it is stored; try again shortly, and split the file if it"
    " happens again",
)

# The problems that a reader may report, by code.
READER_PROBLEMS: Final = {
    problem.code: problem
    for problem in (
        FILE_EMPTY,
        FILE_ENCODING_UNKNOWN,
        FILE_QUOTES_BROKEN,
        FILE_ROW_WIDTH,
        FILE_TOO_WIDE,
        FILE_LINE_NOT_JSON,
        FILE_LINE_TOO_LONG,
        FILE_CHARACTER_BROKEN,
        FILE_WORKBOOK_BROKEN,
        FILE_WORKBOOK_VALUE_MISSING,
        FILE_WORKBOOK_MERGED,
        FILE_CELL_OUTSIDE,
        FILE_SHEET_TOO_LARGE,
        FILE_WORKBOOK_TOO_LARGE,
    )
}
