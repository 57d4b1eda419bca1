"""The texts of all notices, in Chinese and in English; no prompt and no secret is in any.

A title, and lines: each is left out where one of its names has no value.
"""
# ruff: noqa: RUF001 (Chinese has commas of its own)

from relay.notices.tables import Lang

TEXTS: dict[str, dict[Lang, tuple[str, tuple[str, ...]]]] = {
    "quota.low": {
        Lang.ZH: (
            "余额不足提醒：还剩 {left}",
            (
                "可用余额还剩 {left}，已低于 {bound}。",
                "最近 24 小时已消费 {last_day}。",
                "余额用完后新任务会被拒绝（错误码 1102），请及时充值。",
            ),
        ),
        Lang.EN: (
            "Quota is low: {left} left",
            (
                "{left} is left to spend, which is less than {bound}.",
                "In the last 24 hours {last_day} was spent.",
                "When nothing is left, new tasks are refused (code 1102): please top up in time.",
            ),
        ),
    },
    "quota.empty": {
        Lang.ZH: (
            "余额已用完",
            (
                "可用余额为 {left}，新任务会被拒绝（错误码 1102）。",
                "已提交的任务不受影响。充值后即可继续使用。",
            ),
        ),
        Lang.EN: (
            "Quota is used up",
            (
                "Nothing is left to spend ({left}): new tasks are refused (code 1102).",
                "Tasks that run go on. Once you have topped up, new ones are taken again.",
            ),
        ),
    },
    "limit.near": {
        Lang.ZH: (
            "{limit_words}已用 {percent}%",
            (
                "{whose}的{limit_words}：已用 {taken}，上限 {allowed}（{percent}%）。",
                "达到上限后新任务会被拒绝。",
                "{begins_anew_at} 重新计算。",
            ),
        ),
        Lang.EN: (
            "{percent} % of the {limit_words} is taken",
            (
                "The {limit_words} of {whose}: {taken} of {allowed} is taken ({percent} %).",
                "At the limit, new tasks are refused.",
                "It begins anew at {begins_anew_at}.",
            ),
        ),
    },
    "limit.near/reached": {
        Lang.ZH: (
            "{limit_words}已达上限",
            (
                "{whose}的{limit_words}：已用 {taken}，上限 {allowed}。",
                "新任务会被拒绝；已提交的任务不受影响。",
                "{begins_anew_at} 重新计算。",
            ),
        ),
        Lang.EN: (
            "The {limit_words} is reached",
            (
                "The {limit_words} of {whose}: {taken} of {allowed} is taken.",
                "New tasks are refused; those that run go on.",
                "It begins anew at {begins_anew_at}.",
            ),
        ),
    },
    "token.expiring": {
        Lang.ZH: (
            "{whose}即将到期",
            (
                "{whose}将于 {expires_at} 到期，之后的请求会被拒绝（错误码 1004）。",
                "请提前更换或延期。",
            ),
        ),
        Lang.EN: (
            "{whose} expires soon",
            (
                "{whose} expires at {expires_at}; requests after that are refused (code 1004).",
                "Please replace it, or have it prolonged, before then.",
            ),
        ),
    },
    "price.changing": {
        Lang.ZH: (
            "价格调整通知：{at} 起",
            (
                "以下价格自 {at} 起调整：",
                "{prices}",
                "已提交的任务仍按提交时的价格计费。全部价格见 GET /relay/prices。",
            ),
        ),
        Lang.EN: (
            "Prices change at {at}",
            (
                "From {at} on these are the prices:",
                "{prices}",
                "Tasks that run keep the price of when they were made. GET /relay/prices has all.",
            ),
        ),
    },
    "price.changing/all": {
        Lang.ZH: (
            "价格调整通知：全部价格{moved}",
            (
                "自 {at} 起，全部价格{moved}。",
                "已提交的任务仍按提交时的价格计费。全部价格见 GET /relay/prices。",
            ),
        ),
        Lang.EN: (
            "All prices are {moved}",
            (
                "From {at} on, all of your prices are {moved}.",
                "Tasks that run keep the price of when they were made. GET /relay/prices has all.",
            ),
        ),
    },
    "price.changing/none": {
        Lang.ZH: (
            "价格调整取消：{at}",
            ("原定 {at} 的价格调整已取消，价格保持不变。",),
        ),
        Lang.EN: (
            "Prices do not change at {at}",
            ("The change that was set for {at} was withdrawn: prices stay as they are.",),
        ),
    },
    "statement.ready": {
        Lang.ZH: (
            "{month} 账单已出",
            (
                "{month} 的账单已结清，不再变动。",
                "期初余额 {opening}，消费 {charged}，期末余额 {closing}。",
                "下载：GET /relay/statement?month={month}&format=html（或 csv、xlsx）。",
            ),
        ),
        Lang.EN: (
            "The statement of {month} is ready",
            (
                "{month} was closed and does not change any more.",
                "Opening {opening}, charged {charged}, closing {closing}.",
                "To read it: GET /relay/statement?month={month}&format=html (or csv, xlsx).",
            ),
        ),
    },
    "task.refunded": {
        Lang.ZH: (
            "任务退款 {amount}",
            (
                "任务 {task_id} 已退款 {amount}，退回到您的余额。",
                "您的任务编号：{external_task_id}",
                "退款后该任务计费 {charged}。",
            ),
        ),
        Lang.EN: (
            "{amount} was refunded",
            (
                "Of task {task_id}, {amount} was given back to your quota.",
                "Your own id of it: {external_task_id}",
                "What it costs you now is {charged}.",
            ),
        ),
    },
    "service.paused": {
        Lang.ZH: (
            "服务暂停通知",
            (
                "暂停接收新任务：{scope}。",
                "预计 {until} 恢复。",
                "期间的新任务会返回 503（错误码 5001）；已提交的任务和查询不受影响。",
            ),
        ),
        Lang.EN: (
            "New tasks are paused",
            (
                "New tasks are not taken just now: {scope}.",
                "It ends at {until}.",
                "Meanwhile they are answered 503 (code 5001); tasks that run and queries go on.",
            ),
        ),
    },
    "service.paused/over": {
        Lang.ZH: ("服务已恢复", ("已恢复接收新任务：{scope}。",)),
        Lang.EN: ("New tasks are taken again", ("New tasks are taken again: {scope}.",)),
    },
    "test": {
        Lang.ZH: ("测试消息", ("收到这条消息，说明通知可以送达。",)),
        Lang.EN: ("A test", ("You can read this, so notices arrive here.",)),
    },
}
"""By event, or event and what has become of it."""
FOOT = {
    Lang.ZH: "账户：{tenant}　时间：{created_at}",
    Lang.EN: "Account: {tenant}. Time: {created_at}",
}
WHOSE = {
    Lang.ZH: ("账户", "密钥 {number}", "密钥 {number}（{name}）"),
    Lang.EN: ("your account", "key {number}", "key {number} ({name})"),
}
"""What a limit or an end is of: all of a tenant's, or one key, by its number and name."""
LIMITS = {
    Lang.ZH: {
        "day": "今日消费限额",
        "week": "本周消费限额",
        "month": "本月消费限额",
        "total": "总消费限额",
        "in_flight": "同时进行的任务数限额",
    },
    Lang.EN: {
        "day": "spending limit of the day",
        "week": "spending limit of the week",
        "month": "spending limit of the month",
        "total": "spending limit",
        "in_flight": "limit of tasks at a time",
    },
}
MORE = {Lang.ZH: "{title}（另有 {more} 条通知）", Lang.EN: "{title} (and {more} more)"}
"""The title of a message with several notices."""
MOVED = {
    Lang.ZH: ("上调 {percent}%", "下调 {percent}%"),
    Lang.EN: ("{percent} % higher", "{percent} % lower"),
}
PER = {
    Lang.ZH: {"task": "个任务", "second": "秒", "image": "张"},
    Lang.EN: {"task": "task", "second": "second", "image": "image"},
}
