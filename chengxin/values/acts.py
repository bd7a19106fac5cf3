"""The acts that go on record (Art. 31): each with a sentence in both languages. One registry for the rules of use cases,
the audit log and `docs/audit-acts.md`. Pure."""

from enum import StrEnum


class Act(StrEnum):
    """What somebody did. The value is the name in the audit log, where it stays for ever."""

    zh: str
    en: str

    def __new__(cls, name: str, zh: str = "", en: str = "") -> "Act":
        """An act by its name in the log, with what it is called in Chinese and in English."""
        act = str.__new__(cls, name)
        act._value_ = name
        act.zh = zh
        act.en = en
        return act

    # Catalog
    ENTRY_LISTED = ("entry.listed", "查看目录条目清单", "The entries in force were listed")
    ENTRY_READ = ("entry.read", "查看目录条目", "An entry of the catalog was read")
    ENTRY_HISTORY_READ = ("entry.history_read", "查看目录条目历次版本", "The versions of an entry were listed")
    ENTRY_COMPARED = ("entry.compared", "比较目录条目的两个版本", "Two versions of an entry were compared")
    ENTRY_EXPORTED = ("entry.exported", "导出目录", "The catalog was exported")
    ENTRY_PUBLISHED = ("entry.published", "发布目录条目", "A draft became the next version of its entry")
    ENTRY_RETIRED = ("entry.retired", "停用目录条目", "An entry was given its last day")
    DRAFT_CREATED = ("draft.created", "起草目录条目", "A draft of an entry was begun")
    DRAFT_EDITED = ("draft.edited", "修改目录条目草案", "The content of a draft was replaced")
    DRAFT_READ = ("draft.read", "查看目录条目草案", "A draft was read")
    DRAFT_LISTED = ("draft.listed", "查看草案清单", "Drafts were listed")
    DRAFT_COMPARED = ("draft.compared", "比较草案与现行版本", "A draft was compared with the version in force")
    DRAFT_COMMENTED = ("draft.commented", "对草案提出意见", "A comment was made on a draft")
    DRAFT_COMMENTS_LISTED = ("draft.comments_listed", "查看对草案的意见", "The comments on a draft were listed")
    DRAFT_SUBMITTED = ("draft.submitted", "草案送审", "A draft was submitted for review")
    DRAFT_REVIEWED = ("draft.reviewed", "审核草案", "A draft was approved or sent back by a reviewer")
    CODE_LIST_LISTED = ("code_list.listed", "查看代码表清单", "Code lists were listed")
    CODE_LIST_READ = ("code_list.read", "查看代码表", "A code list was read")
    CODE_LIST_DRAFTED = ("code_list.drafted", "起草代码表", "A draft of a code list was begun")
    CODE_LIST_DRAFT_EDITED = ("code_list.draft_edited", "修改代码表草案", "A draft of a code list was replaced")
    CODE_LIST_DRAFTS_LISTED = ("code_list.drafts_listed", "查看代码表草案清单", "Drafts of code lists were listed")
    CODE_LIST_DRAFT_READ = ("code_list.draft_read", "查看代码表草案", "A draft of a code list was read")
    CODE_LIST_PUBLISHED = ("code_list.published", "发布代码表", "A code list got its next version")
    CODE_LIST_SEEDED = ("code_list.seeded", "载入标准代码表", "The catalog published the standard code lists")
    ORGANISATION_LISTED = ("organisation.listed", "查看机构名录", "Organisations were listed")
    ORGANISATION_READ = ("organisation.read", "查看机构", "An organisation was read")
    ORGANISATION_RECORDED = ("organisation.recorded", "登记机构", "An organisation was recorded in the directory")
    RULES_LISTED = ("rules.listed", "查看规则", "Rule sets were listed")
    RULES_PREVIEWED = ("rules.previewed", "预览规则变更", "The effect of a rule set was previewed")
    RULES_PUBLISHED = ("rules.published", "发布规则", "A rule set got its next version")
    CALENDAR_READ = ("calendar.read", "查看工作日历", "The working days of a year were read")
    CALENDAR_LISTED = ("calendar.listed", "查看工作日历清单", "The years of the calendar were listed")
    CALENDAR_LOADED = ("calendar.loaded", "载入工作日历", "The working days of a year were loaded")
    CATALOG_FOLLOWED = ("catalog.followed", "接收目录变更", "A follower began to take the catalog's feed")
    # Ingest
    SUBMISSION_OPENED = ("submission.opened", "开始报送", "A submission was opened")
    SUBMISSION_DELIVERED = ("submission.delivered", "报送信息", "A batch of records was delivered")
    SUBMISSION_CLOSED = ("submission.closed", "完成报送", "A submission was closed and receipted")
    SUBMISSION_PREVIEWED = ("submission.previewed", "预览报送文件", "A file was looked at before delivery")
    SUBMISSION_LISTED = ("submission.listed", "查看报送清单", "Submissions were listed")
    SUBMISSION_READ = ("submission.read", "查看报送", "A submission was read")
    RECEIPT_READ = ("receipt.read", "查看回执", "A receipt was read")
    REJECTS_READ = ("rejects.read", "查看退回记录", "Rejected records were read")
    RECORDS_FOLLOWED = ("records.followed", "接收信息变更", "Disclosure began to take the feed of records")
    CORRECTIONS_FOLLOWED = (
        "corrections.followed",
        "接收更正",
        "The objection service began to take the feed of corrections",
    )
    RECORD_HEAD_READ = ("record.head_read", "核对记录归属", "Another service asked whose a record is")
    RECORD_AMENDED = ("record.amended", "更正信息", "A record was amended")
    RECORD_REVOKED = ("record.revoked", "撤销信息", "A record was revoked")
    RECORD_QUERIED_DELIVERED = (
        "record.queried.delivered",
        "查询已报信息",
        "It was read what became of a delivered record",
    )
    AGREEMENT_READ = ("agreement.read", "查看报送约定", "The terms agreed with a provider were read")
    AGREEMENT_CHANGED = ("agreement.changed", "变更报送约定", "The terms agreed with a provider were changed")
    MAPPING_READ = ("mapping.read", "查看列对应关系", "A provider's column mapping was read")
    MAPPING_CHANGED = ("mapping.changed", "变更列对应关系", "A provider's column mapping was changed")
    QUALITY_LISTED = ("quality.listed", "查看数据质量", "Quality and timeliness were read")
    QUALITY_RECOMPUTED = ("quality.recomputed", "重新计算数据质量", "Quality and timeliness were computed anew")
    OVERDUE_LISTED = ("overdue.listed", "查看逾期报送", "Overdue deliveries were listed")
    PERIOD_DECLARED = ("period.declared", "申报本期无数据", "A provider declared that a period had nothing to report")
    FINDING_RAISED = ("finding.raised", "发现数据异常", "An anomaly of deliveries was found")
    FINDING_LISTED = ("finding.listed", "查看异常清单", "Findings were listed")
    FINDING_READ = ("finding.read", "查看异常", "A finding was read")
    FINDING_EXPLAINED = ("finding.explained", "说明异常原因", "A provider explained a finding")
    FINDING_CLOSED = ("finding.closed", "办结异常", "A supervisor closed a finding")
    # Disclosure
    RECORD_QUERIED = ("record.queried", "查询信用信息", "Credit information was queried by the role of the token")
    RECORD_QUERIED_OWN = ("record.queried.own", "本人查询", "A subject read its own records")
    RECORD_QUERIED_PUBLIC = ("record.queried.public", "公开查询", "Public records of a subject were read")
    RECORD_QUERIED_SHARED = ("record.queried.shared", "机关共享查询", "An agency read shared records of a subject")
    RECORD_QUERIED_STATUTORY = ("record.queried.statutory", "依法查询", "An organ read a subject's records by law")
    RECORD_QUERIED_AUTHORIZED = (
        "record.queried.authorized",
        "授权查询",
        "An organisation read a subject's records by consent",
    )
    RECORD_READ_PUBLIC = ("record.read.public", "读取公示记录", "A public record was read by its id")
    SUBJECT_SEARCHED_PUBLIC = ("subject.searched.public", "公开检索", "The public search was used")
    FEED_READ_PUBLIC = ("feed.read.public", "接收公示变更", "The public feed was read")
    FEED_COMPARED = ("feed.compared", "核对公示内容", "A portal's content was compared with the platform's")
    CONSENT_GIVEN = ("consent.given", "作出授权", "A subject gave a consent")
    CONSENT_CODE_RENEWED = ("consent.code_renewed", "更换授权码", "A consent got another code")
    CONSENT_RESOLVED = ("consent.resolved", "核验授权码", "The gateway asked which consent a code stands for")
    CONSENT_LISTED = ("consent.listed", "查看授权", "A subject listed its consents")
    CONSENT_WITHDRAWN = ("consent.withdrawn", "撤回授权", "A subject withdrew a consent")
    SUBJECT_IDENTITY_READ = ("subject.identity_read", "查看主体归并", "It was read which references are one subject")
    SUBJECT_REFERENCES_READ = (
        "subject.references_read",
        "核对主体标识",
        "Another service asked which references are one subject",
    )
    SUBJECT_CONFLICTS_LISTED = (
        "subject.conflicts_listed",
        "查看归并冲突清单",
        "Claimed links that were not made were listed",
    )
    SUBJECT_CONFLICTS_READ = ("subject.conflicts_read", "查看归并冲突", "The conflicts of a subject were read")
    SUBJECT_DISAGREEMENTS_LISTED = (
        "subject.disagreements_listed",
        "查看信息不一致清单",
        "Subjects of whom providers differ were listed",
    )
    SUBJECT_MERGED = ("subject.merged", "归并主体", "An officer decided that two references are one subject")
    SUBJECT_SPLIT = ("subject.split", "拆分主体", "An officer decided that two references are not one subject")
    SUBJECT_DECISION_UNDONE = ("subject.decision_undone", "撤销归并决定", "A decision about references was undone")
    RECORD_ARCHIVED = ("record.archived", "归档信息", "Records whose disclosure ended were archived")
    DISCLOSURE_REBUILD_ASKED = (
        "disclosure.rebuild_asked",
        "请求重建披露数据",
        "A rebuild of what is derived was asked for",
    )
    DISCLOSURE_REBUILD_READ = ("disclosure.rebuild_read", "查看重建进度", "The progress of a rebuild was read")
    # Objection
    OBJECTION_FILED = ("objection.filed", "提出异议", "A subject objected to a record")
    OBJECTION_SUPPLEMENTED = ("objection.supplemented", "补充异议材料", "The applicant supplied what was missing")
    OBJECTION_WITHDRAWN = ("objection.withdrawn", "撤回异议", "The applicant withdrew an objection")
    OBJECTION_ACCEPTED = ("objection.accepted", "受理异议", "The centre accepted an objection")
    OBJECTION_REFUSED = ("objection.refused", "不予受理异议", "The centre refused to accept an objection")
    OBJECTION_VERIFIED = ("objection.verified", "核查异议", "The centre verified an objection")
    OBJECTION_DECIDED = ("objection.decided", "作出异议处理决定", "The centre decided an objection")
    OBJECTION_READ = ("objection.read", "查看异议", "The centre read an objection")
    OBJECTION_LISTED = ("objection.listed", "查看异议清单", "The centre listed objections")
    OBJECTION_READ_OWN = ("objection.read_own", "查看本人异议", "An applicant read an objection")
    OBJECTION_LISTED_OWN = ("objection.listed_own", "查看本人异议清单", "An applicant listed objections")
    OBJECTIONS_FOLLOWED = ("objections.followed", "接收异议变更", "A follower began to take the feed of objections")
    SUPPLEMENT_REQUESTED = ("supplement.requested", "要求补正", "The centre asked the applicant for what was missing")
    TASK_LISTED = ("task.listed", "查看核查任务清单", "A provider listed its verification tasks")
    TASK_READ = ("task.read", "查看核查任务", "A provider read a verification task")
    TASK_ANSWERED = ("task.answered", "答复核查任务", "A provider answered a verification task")
    TASK_EXTENDED = ("task.extended", "延长答复期限", "A provider was given more time")
    CORRECTION_SEEN = ("correction.seen", "收到更正", "The correction that an objection led to arrived")
    RECORD_CHANGE_SEEN = ("record_change.seen", "得知异议信息变更", "A case learned that its record had changed")
    OBJECTION_STEP_RETRACTED = (
        "objection.step_retracted",
        "收回办理步骤",
        "The centre took a step on an objection back",
    )
    ANSWER_RETRACTED = ("answer.retracted", "收回核查答复", "A provider took its answer to a task back")
    DEADLINE_RECOUNTED = ("deadline.recounted", "重新计算期限", "Deadlines were counted again by a new calendar")
    COURSE_READ = ("course.read", "查看异议办理过程", "The course of an objection was read for supervision")
    COURSE_LISTED = ("course.listed", "查看异议办理清单", "Objections were listed for supervision")
    EVIDENCE_READ = ("evidence.read", "查看异议证据", "The centre read an attachment")
    EVIDENCE_READ_OWN = ("evidence.read_own", "查看本人提交的证据", "An applicant read an attachment")
    # Audit
    AUDIT_APPENDED = ("audit.appended", "写入审计日志", "A service put events on the log")
    LOG_CONDITION_READ = (
        "log.condition_read",
        "查看日志存储状况",
        "What was found altered in the log's store was read",
    )
    LOG_REPAIR_ASKED = (
        "log.repair_asked",
        "请求修复日志派生数据",
        "It was asked to make derived rows of the log again",
    )
    LOG_ALTERATION_FOUND = ("log.alteration_found", "发现日志存储被改动", "The log's store was found altered")
    LOG_ROWS_MENDED = ("log.rows_mended", "重新生成日志派生数据", "Derived rows of the log's store were made again")
    EVENTS_LISTED = ("events.listed", "查询审计事件", "Events of the log were searched")
    ENTRIES_READ = ("entries.read", "读取日志条目", "Entries of the log were read")
    ACCESSES_LISTED = ("accesses.listed", "查看谁查询过本人", "A subject read who looked at its records")
    CHECKPOINT_READ = ("checkpoint.read", "读取检查点", "The newest checkpoint was read")
    INCLUSION_PROVED = ("inclusion.proved", "出具存在证明", "A proof was made that the log holds an event")
    CONSISTENCY_PROVED = ("consistency.proved", "出具一致性证明", "A proof was made that the log only grew")
    # Gateway
    EDGE_REFUSED = ("edge.refused", "入口拒绝", "A token that is not good was refused at the edge")
    TOKEN_ISSUED = ("token.issued", "签发令牌", "A client was given an access token")
    TOKEN_REVOKED = ("token.revoked", "吊销令牌", "An access token was revoked")
    REVOCATIONS_READ = ("revocations.read", "读取吊销清单", "A service read the list of revoked tokens")
    OFFICER_SIGNED_IN = ("officer.signed_in", "工作人员登录", "An officer signed in")
    OFFICER_SIGNED_OUT = ("officer.signed_out", "工作人员登出", "An officer's sessions were ended")
    OFFICER_PASSWORD_CHANGED = ("officer.password_changed", "修改密码", "An officer changed the password")
    OFFICER_REGISTERED = ("officer.registered", "开设工作人员账户", "An officer's account was made")
    OFFICER_LISTED = ("officer.listed", "查看工作人员清单", "Officers were listed")
    OFFICER_READ = ("officer.read", "查看工作人员", "An officer's account was read")
    OFFICER_RESET = ("officer.reset", "重置工作人员账户", "An officer's account was reset")
    OFFICER_SUSPENDED = ("officer.suspended", "停用工作人员账户", "An officer's account was suspended")
    OFFICER_RESUMED = ("officer.resumed", "恢复工作人员账户", "An officer's account was resumed")
    OFFICER_UNLOCKED = ("officer.unlocked", "解锁工作人员账户", "An officer's account was unlocked")
    OFFICER_ROLES_PROPOSED = (
        "officer.roles_proposed",
        "提议变更角色",
        "Another set of roles was proposed for an officer",
    )
    CITIZEN_IDENTIFIED = ("citizen.identified", "核验身份", "A citizen proved who he or she is")
    CITIZEN_REGISTERED = ("citizen.registered", "登记演示居民", "A person of the demonstration world was registered")
    CLIENT_REGISTERED = ("client.registered", "登记接入系统", "An organisation's system was registered")
    CLIENT_LISTED = ("client.listed", "查看接入系统清单", "Clients were listed")
    CLIENT_READ = ("client.read", "查看接入系统", "A client was read")
    CLIENT_READ_OWN = ("client.read_own", "查看本系统登记", "A client read its own registration")
    CLIENT_KEY_ADDED = ("client.key_added", "增加接入密钥", "A client got another key")
    CLIENT_KEY_RETIRED = ("client.key_retired", "停用接入密钥", "A client's key was retired")
    CLIENT_SUSPENDED = ("client.suspended", "停用接入系统", "A client was suspended")
    CLIENT_RESUMED = ("client.resumed", "恢复接入系统", "A client was resumed")
    CLIENT_GRANTS_PROPOSED = ("client.grants_proposed", "提议变更接入权限", "Other grants were proposed for a client")
    GRANT_APPROVED = ("grant.approved", "批准权限", "Grants that a second officer approved are in force")
    GRANT_REDUCED = ("grant.reduced", "缩减权限", "Grants were reduced at once")
    COUNTER_CODE_ISSUED = ("counter.code_issued", "窗口核验身份", "An officer issued a code at the service counter")
    REPRESENTATION_RECORDED = (
        "representation.recorded",
        "登记代表关系",
        "It was recorded who represents an organisation",
    )
    REPRESENTATION_LISTED = ("representation.listed", "查看代表关系", "Representatives of an organisation were listed")
    REPRESENTATION_ENDED = ("representation.ended", "终止代表关系", "A representation was ended")
    SIGNING_KEY_CREATED = ("signing_key.created", "生成签名密钥", "A key that signs access tokens was made")
    SIGNING_KEY_LISTED = ("signing_key.listed", "查看签名密钥", "The signing keys were listed")
    SIGNING_KEY_REVOKED = ("signing_key.revoked", "吊销签名密钥", "A signing key was revoked")
    SIGNING_KEY_DROPPED = (
        "signing_key.dropped",
        "清除过期签名密钥",
        "A signing key whose last token expired was dropped",
    )
    # Every service
    PROPOSAL_MADE = ("proposal.made", "提出提案", "An act that takes two officers was proposed")
    PROPOSAL_LISTED = ("proposal.listed", "查看提案", "Acts that wait for a second officer were listed")
    PROPOSAL_APPROVED = ("proposal.approved", "批准提案", "A second officer approved, and the act was carried out")
    PROPOSAL_REJECTED = ("proposal.rejected", "否决提案", "A proposal was rejected or taken back")
    QUARANTINE_LISTED = ("quarantine.listed", "查看搁置事项", "What a service set aside was listed")
    QUARANTINE_RETRIED = ("quarantine.retried", "重试搁置事项", "Something that was set aside was tried again")
