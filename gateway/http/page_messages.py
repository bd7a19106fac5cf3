"""The texts of the gateway's pages, in both languages."""

from typing import Final

from chengxin.http.page_shell import Words

WORDS: Final[Words] = {
    "sign.in": ("登录", "Sign in"),
    "citizen.title": ("查询本人信用信息", "Your own record"),
    "citizen.hint": (
        "登录后可查看系统中关于本人的全部信息。请选择一种核验身份的方式。登录有效十分钟。",
        "Signed in, you see all that is recorded about you. Choose how to prove who you are. A session lasts ten minutes.",
    ),
    "citizen.demo": ("演示人员登录", "A person of the demonstration world"),
    "citizen.demo.hint": (
        "演示环境：仅凭演示人员的姓名和证件号码登录，不作真实核验。",
        "The demonstration world: name and document number of a demonstration person are all the proof it takes.",
    ),
    "citizen.provider": ("身份认证平台登录", "By the identity provider"),
    "citizen.provider.hint": (
        "转到身份认证平台核验身份，完成后自动返回本站。",
        "You go to the identity provider, prove who you are there, and come back here.",
    ),
    "citizen.provider.go": ("前往身份认证平台", "Go to the identity provider"),
    "citizen.counter": ("窗口核验码登录", "With a code from the service counter"),
    "citizen.counter.hint": (
        "持有效证件到市信用中心窗口核验，领取一次性核验码；核验码一日内有效，只能使用一次。",
        "Show your document at the credit centre's counter and get a code. It is good once, for a day.",
    ),
    "citizen.code": ("核验码", "Code from the counter"),
    "leaving": ("正在前往身份认证平台", "You go to the identity provider"),
    "leaving.on": ("未自动前往时请点击这里", "Go there, if nothing happens by itself"),
    "arrived": ("已登录", "You are signed in"),
    "arrived.on": ("查看本人信用信息", "See your own record"),
    "citizen.name": ("姓名", "Name"),
    "citizen.number": ("证件号码", "Number of your document"),
    "citizen.uscc": (
        "代表的单位（统一社会信用代码，办理本人事项请留空）",
        "Acting for an organisation (its code; empty: for yourself)",
    ),
    "officer.title": ("工作人员登录", "Officers sign in"),
    "officer.hint": (
        "信息提供单位填报员和工作人员凭用户名、密码和动态口令登录。登录有效十分钟；到时再登录即可，已报送的数据不受影响。",
        "Providers' and other officers sign in with user name, password and one-time code. A session lasts ten minutes; "
        "sign in again when it is over, what was delivered stays.",
    ),
    "officer.username": ("用户名", "User name"),
    "officer.password": ("密码", "Password"),
    "officer.totp": ("动态口令", "One-time code"),
    "officer.totp.hint": (
        "身份验证器上的 6 位数字，每半分钟更换，每个只能使用一次。",
        "The six digits of your authenticator; they change every half minute and are good once.",
    ),
    "officer.change": ("首次登录或更换密码", "First sign-in, or another password"),
    "officer.new": ("新密码", "New password"),
    "officer.new.hint": (
        "至少 12 位，不得与现密码相同；不更换请留空。",
        "At least 12 characters, not the present one; empty to keep the present one.",
    ),
}
