"""What the edges refuse before anybody behind them has seen it."""

from chengxin.errors import forbidden, invalid, unavailable, unsupported

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
    "请求内容没有在规定时间内传完，请重新发送",
    "The body of the request did not arrive whole and in time; send the request again",
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
