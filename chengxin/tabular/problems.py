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
    "文件没有内容（空文件，或只有空行），请确认所选文件",
    "The file holds nothing, or empty rows alone; check that it is the one you meant",
)
FILE_SHEET_NOT_READ = invalid(
    "FILE_SHEET_NOT_READ",
    "只读取第一个可见的工作表，它没有内容，而有内容的是“{sheets}”（隐藏，或不在最前）。请取消隐藏并移到最前，核对后重新报送；“取消隐藏”中没有"
    "列出的，是程序深度隐藏的（veryHidden），请复制其内容到新的工作簿，或请制表人重新导出",
    "The first visible sheet alone is read, and it holds nothing; what holds something is “{sheets}”, hidden or after it."
    " Unhide that sheet, move it to the front, and deliver the file again. One that “Unhide” does not list was"
    " hidden by a program (veryHidden): copy its content to another workbook, or have it exported again",
)
FILE_NO_RECORDS = invalid(
    "FILE_NO_RECORDS",
    "文件只有表头，没有记录，请确认所选文件，或补充记录后重新报送",
    "The file has a header and no records; check that it is the one you meant, or add the records",
)
FILE_ENCODING_UNKNOWN = invalid(
    "FILE_ENCODING_UNKNOWN",
    "文件既不是 UTF-8 也不是 GB18030 编码：第 {line} 行（文件偏移 {offset} 字节）的内容无法识别；可能是其他编码，或该处已损坏。请打开原文件核对"
    "该行，另存为“CSV UTF-8（逗号分隔）”后重新报送",
    "The file is neither UTF-8 nor GB18030: line {line}, at byte offset {offset}, cannot be read. It is in another"
    " encoding, or damaged there: check that line in its program, and save it as “CSV UTF-8 (Comma delimited)”",
)
FILE_ENCODING_DAMAGED = invalid(
    "FILE_ENCODING_DAMAGED",
    "文件是 {encoding} 编码，但第 {line} 行（文件偏移 {offset} 字节）的字符不完整或属于其他编码，可能在导出时被按字节截断，或拼接了其他编码"
    "的内容。请改正该处，另存为“CSV UTF-8（逗号分隔）”后重新报送",
    "The file is {encoding}, but in line {line}, at byte offset {offset}, a character is cut or of another encoding: a"
    " text was cut by bytes, or another file was appended. Correct that place, and save it as “CSV UTF-8 (Comma"
    " delimited)”",
)
FILE_ENCODING_MIXED = invalid(
    "FILE_ENCODING_MIXED",
    "文件混用了编码：第 {line} 行（文件偏移 {offset} 字节）是 UTF-8，其余是 GB18030。请将各部分统一另存为“CSV UTF-8（逗号分隔）”后重新报送",
    "The file mixes encodings: line {line}, at byte offset {offset}, is UTF-8 and the rest is GB18030. Save all its parts"
    " as “CSV UTF-8 (Comma delimited)”",
)
FILE_ENCODING_UNLIKELY = invalid(
    "FILE_ENCODING_UNLIKELY",
    "无法确定文件的编码：没有编码标记，按 {encoding} 读出的内容不像中文（自第 {line} 行，文件偏移 {offset} 字节起），可能是 Big5、Latin-1 等其他"
    "编码。请在原来的软件中打开，另存为“CSV UTF-8（逗号分隔）”（带 BOM）后重新报送",
    "The encoding of the file is not clear: it has no mark, and as {encoding} it is no text that anybody writes (from line"
    " {line}, byte offset {offset}). It may be Big5, Latin-1 or another: open it in the program that made it, and save it"
    " as “CSV UTF-8 (Comma delimited)”, with a byte order mark",
)
FILE_ENCODING_AMBIGUOUS = invalid(
    "FILE_ENCODING_AMBIGUOUS",
    "无法确定文件的编码：第 {line} 行（文件偏移 {offset} 字节）按 UTF-8 和 GB18030 都能读出，内容不同。请另存为“CSV UTF-8（逗号分隔）”（带"
    " BOM）后重新报送",
    "The encoding of the file is not clear: line {line}, at byte offset {offset}, can be read as UTF-8 and as GB18030, and"
    " says different things. Save it as “CSV UTF-8 (Comma delimited)”, with a byte order mark",
)
FILE_NUL = invalid(
    "FILE_NUL",
    "第 {line} 行（文件偏移 {offset} 字节）有空字符（NUL），文件不是文本，或是没有标记的 UTF-16。请删除该字符，或另存为“CSV UTF-8（逗号分隔）”"
    "后重新报送",
    "Line {line}, at byte offset {offset}, has a NUL character: the file is no text, or UTF-16 without a mark. Remove the"
    " character, or save the file as “CSV UTF-8 (Comma delimited)”",
)
FILE_MARK_INSIDE = invalid(
    "FILE_MARK_INSIDE",
    "第 {row} 行以字节顺序标记（BOM，U+FEFF）开头，该标记只能在文件开头出现一次：可能拼接了多个文件，或写了两次标记。请删除该标记，以及随之重复"
    "的表头，或分别报送各文件",
    "Row {row} begins with a byte order mark (U+FEFF), which stands once at the beginning of a file: files were joined, or"
    " it was written twice. Remove it, and a header that comes again with it, or deliver the files one by one",
)
FILE_DELIMITER_UNKNOWN = invalid(
    "FILE_DELIMITER_UNKNOWN",
    "表头只有一列“{column}”，其中的“{delimiter}”不是列的分隔符；请用半角逗号、制表符或分号分隔各列，或另存为“CSV UTF-8（逗号分隔）”后重新报送",
    "The header is one column, “{column}”, and “{delimiter}” separates no columns; separate them by commas, tabs or"
    " semicolons, or save the file as “CSV UTF-8 (Comma delimited)”",
)
FILE_QUOTES_BROKEN = invalid(
    "FILE_QUOTES_BROKEN",
    "第 {row} 行的双引号不配对（{reason}）；请检查该行：单元格中的双引号须写成两个。如这是最后一行，文件可能已截断，请重新导出",
    "Quotes do not match in row {row} ({reason}); check that row: a double quote within a cell is written twice. If it is"
    " the last row, the file may be cut: export it again",
)
FILE_ROW_WIDTH = invalid(
    "FILE_ROW_WIDTH",
    "第 {row} 行有 {actual} 列，表头有 {expected} 列；请检查该行：单元格中的分隔符和换行须用双引号括起。如这是最后一行，文件可能已截断，请重新导出",
    "Row {row} has {actual} cells, the header has {expected}; check that row: a delimiter or line break within a cell stands"
    " within double quotes. If it is the last row, the file may be cut: export it again",
)
FILE_TITLE_ABOVE = invalid(
    "FILE_TITLE_ABOVE",
    "第 {row} 行只有“{title}”一个单元格，下面的行有多列，该行像是标题而不是表头；请删除表头以上的标题行后重新报送",
    "Row {row} is one cell, “{title}”, and the rows below have more: it looks like a title, not the header. Delete the rows"
    " above the header",
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
    "表头（第一个非空行）缺少必填的列：{columns}，请补充这些列",
    "Required columns are missing in the header, the first row that is not empty: {columns_en}; add them",
)
FILE_LINE_NOT_JSON = invalid(
    "FILE_LINE_NOT_JSON",
    "第 {row} 行不是完整的 JSON 对象（{reason}）；请检查该行，每行须是一个对象。如这是最后一行，文件可能已截断，请重新导出",
    "Line {row} is not a whole JSON object ({reason}); check that line: each is one object. If it is the last one, the file"
    " may be cut: export it again",
)
FILE_JSON_NOT_LINES = invalid(
    "FILE_JSON_NOT_LINES",
    "文件是一个 JSON 数组，或换行书写的 JSON 对象，不是 JSON Lines；请改为每行一个完整的对象，没有外层方括号和行末逗号",
    "The file is one JSON array, or an object that goes over several lines, and no JSON Lines; give each record a line"
    " of its own, as one whole object, without brackets around them and commas between them",
)
FILE_LINE_TOO_LONG = invalid(
    "FILE_LINE_TOO_LONG",
    "第 {row} 行超过 {limit} 个字符，请检查该行是否缺少换行或引号",
    "Line {row} is longer than {limit} characters; check it for a missing line break or quote",
)
FILE_TOO_LONG = exhausted(
    "FILE_TOO_LONG",
    413,
    "文件超过 {limit} 行（空行也计算在内）；请删除末尾的空行，或将文件分成几个",
    "The file has more than {limit} rows, empty ones included; delete empty rows at its end, or split it",
)
FILE_CHARACTER_BROKEN = invalid(
    "FILE_CHARACTER_BROKEN",
    "第 {row} 行“{column}”中的 {character} 只是半个字符（UTF-16 代理项须成对出现），可能在导出时被截断；请改正该单元格后重新报送",
    "In line {row}, “{column}”, {character} is half a character (surrogates of UTF-16 come in pairs): it may have been cut"
    " when it was exported; correct that cell and deliver the file again",
)
FILE_WORKBOOK_BROKEN = invalid(
    "FILE_WORKBOOK_BROKEN",
    "无法读取 Excel 文件（{reason}），请改正该处，或在电子表格软件中打开并另存为 .xlsx 后重新报送",
    "The Excel file cannot be read ({reason}); correct that place, or open it in a spreadsheet program and save it as .xlsx"
    " again",
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
FILE_WORKBOOK_HIDDEN = invalid(
    "FILE_WORKBOOK_HIDDEN",
    "工作表“{sheet}”有隐藏的内容（{places}），可能是筛选或分组的结果，无法判断是否要报送。请清除筛选、取消隐藏，核对后报送；不报送的请删除",
    "Sheet “{sheet}” has hidden content ({places}), perhaps by a filter or a group, so it is not clear whether you mean to"
    " deliver it; clear filters and unhide it, delete what is not to be delivered, and deliver the file again",
)
FILE_WORKBOOK_SHOWN_OTHERWISE = invalid(
    "FILE_WORKBOOK_SHOWN_OTHERWISE",
    "这些单元格显示的内容与保存的不同（百分比、补零、以千或万为单位、时长、隐藏内容、替换文字或去掉负号的格式，或超过 15 位的数字）：{cells}，无法判断以哪个为准。请将其设为"
    "常规或文本格式，填写要报送的值后重新报送",
    "These cells show something else than they hold (formats of percent, leading zeros, thousands or lengths of"
    " time, or such as hide a value, put words in its place or drop its sign; numbers of more than 15 digits): {cells}, so it is not clear which is meant. Give them the General or"
    " Text format, and enter what is to be delivered",
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
        FILE_SHEET_NOT_READ,
        FILE_ENCODING_UNKNOWN,
        FILE_ENCODING_DAMAGED,
        FILE_ENCODING_MIXED,
        FILE_ENCODING_UNLIKELY,
        FILE_ENCODING_AMBIGUOUS,
        FILE_NUL,
        FILE_MARK_INSIDE,
        FILE_QUOTES_BROKEN,
        FILE_ROW_WIDTH,
        FILE_TITLE_ABOVE,
        FILE_TOO_WIDE,
        FILE_LINE_NOT_JSON,
        FILE_JSON_NOT_LINES,
        FILE_LINE_TOO_LONG,
        FILE_TOO_LONG,
        FILE_CHARACTER_BROKEN,
        FILE_WORKBOOK_BROKEN,
        FILE_WORKBOOK_VALUE_MISSING,
        FILE_WORKBOOK_SHOWN_OTHERWISE,
        FILE_WORKBOOK_MERGED,
        FILE_WORKBOOK_HIDDEN,
        FILE_CELL_OUTSIDE,
        FILE_SHEET_TOO_LARGE,
        FILE_WORKBOOK_TOO_LARGE,
    )
}
