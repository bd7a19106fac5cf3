"""What the edges refuse before anybody behind them has seen it."""

from chengxin.errors import forbidden, invalid, not_implemented, unavailable, unsupported

EDGE_BUSY = unavailable(
    "EDGE_BUSY", "同时处理的请求过多，请稍后重试", "Too many requests are being worked on; try again shortly"
)
HOST_INVALID = invalid(
    "HOST_INVALID",
    "请求须有且只有一个有效的 Host 头（RFC 9112 第 3.2 节）",
    "A request has one valid Host header field, and not more (RFC 9112, section 3.2)",
)
SERVICE_TOKEN_OUTSIDE = forbidden(
    "SERVICE_TOKEN_OUTSIDE",
    "系统内部服务的令牌只在系统内部有效，请用为您的机构签发的令牌",
    "A token of one of the suite's own services counts inside the suite alone; use a token of your own client",
)
BODY_BROKEN_OFF = invalid(
    "BODY_BROKEN_OFF",
    "请求内容没有在规定时间内完整传到（中断、分块有误，或小于 64 字节的分块超过 4096 个），未作处理，请重新发送",
    "The body of the request did not arrive whole and in time (it broke off, its chunks are malformed, or more than 4,096 "
    "of them have less than 64 bytes); nothing was done, send the request again",
)
HEAD_UNREADABLE = invalid(
    "HEAD_UNREADABLE",
    "无法读取请求头：各行须以 CRLF 结尾，共不超过 32 KiB；前面的请求有误的，请另建连接（RFC 9112 第 2.2 节）",
    "The head of the request cannot be read: its lines end with CRLF and have 32 KiB at most; after a malformed request, "
    "open another connection (RFC 9112, section 2.2)",
)
LENGTH_AMBIGUOUS = invalid(
    "LENGTH_AMBIGUOUS",
    "不得同时使用 Content-Length 和 Transfer-Encoding，请只留一个（RFC 9112 第 6.3 节）",
    "Content-Length and Transfer-Encoding tell two lengths; leave one of them out (RFC 9112, section 6.3)",
)
TRANSFER_CODING_UNSUPPORTED = not_implemented(
    "TRANSFER_CODING_UNSUPPORTED",
    "Transfer-Encoding 只支持 chunked（RFC 9112 第 6.1 节）",
    "Of transfer codings, chunked alone is understood (RFC 9112, section 6.1)",
)
TARGET_INVALID = invalid(
    "TARGET_INVALID",
    "请求目标须以 / 开头（RFC 9112 第 3.2 节）；* 只用于 OPTIONS",
    "The target of a request begins with / (RFC 9112, section 3.2); * is for OPTIONS alone",
)
CONTENT_ENCODING_UNSUPPORTED = unsupported(
    "CONTENT_ENCODING_UNSUPPORTED",
    "请求内容须原样发送，不压缩：请去掉 Content-Encoding 头",
    "The body of a request is sent as it is, not compressed: leave out Content-Encoding",
)
