# ruff: noqa: RUF001 (Chinese has its own punctuation)
"""The words of a new tenant's sheet, in Chinese."""

from relay.desk.opening.words import Words
from relay.limits.tables import LimitKind
from relay.pricing.book import Per

ZH = Words(
    language="zh-CN",
    title="{name} 的可灵接入说明",
    for_whom="客户",
    contact="联系人",
    date="生成时间",
    once="本说明含有您的密钥，只生成这一次，之后任何人都无法再次查看。请像保管密码一样保管；"
    "如有遗失，请联系我们更换密钥。",
    begin="接入地址",
    base_url="接口地址（Base URL）",
    base_url_v1="客户端要求地址含 /v1 时",
    base_url_bare="new-api、one-api（渠道类型：可灵）",
    keys="您的密钥",
    which_key="API Key 直接放入请求头 `Authorization: Bearer …`。"
    "使用签名方式的客户端（如可灵官方 SDK）请用 Access Key 和 Secret Key 替换可灵的对应值。"
    "两种方式属于同一个账户。",
    key_names={
        "api_key": "API Key",
        "access_key": "Access Key",
        "secret_key": "Secret Key",
        "webhook_secret": "回调签名密钥（Webhook Secret）",
    },
    examples="调用示例",
    by_api_key="使用 API Key；第二个请求查询任务结果：",
    by_key_pair="使用 Access Key 和 Secret Key（Python，与可灵官方示例的签名方式相同）：",
    by_sdk="TypeScript，使用 `kling-api`；Vercel AI SDK 请用 `createKlingAI`，接口地址和密钥相同：",
    prices="价格",
    prices_say="币种为 {currency}，为当前价格。创建任务时按最高可能费用预留额度；只有成功的"
    "任务才扣费，且不超过预留额度。"
    "最新价格：`GET {origin}/relay/prices`；单个任务的预估费用：`POST {origin}/relay/quote`。",
    price_columns=("模型", "模式", "选项", "接口", ">单价", "计价单位"),
    any_model="全部",
    whatever="其他全部接口",
    options={
        "sound": ("有声", "无声"),
        "voice": ("指定音色", ""),
        "video_input": ("含参考视频", "不含参考视频"),
        "image_input": ("含参考图", "不含参考图"),
    },
    seconds="{seconds} 秒",
    per={Per.TASK: "次", Per.SECOND: "秒", Per.IMAGE: "张"},
    from_hour="{hours} 时",
    limits="额度与限制",
    quota="额度",
    tasks_max="同时进行的任务数",
    kinds={
        LimitKind.DAY: "每日消费上限",
        LimitKind.WEEK: "每周消费上限",
        LimitKind.MONTH: "每月消费上限",
        LimitKind.TOTAL: "累计消费上限",
        LimitKind.TASK: "单个任务价格上限",
        LimitKind.IN_FLIGHT: "未结束的任务数上限",
        LimitKind.RATE: "每秒创建任务数上限",
    },
    no_limits="除额度外没有其他限制",
    limits_say="日、周、月按 {timezone} 时区计算。"
    "剩余额度：`GET {origin}/relay/limits` 和 `/relay/balance`。",
    callbacks="回调",
    callbacks_say="创建任务时与可灵一样传入 `callback_url`，任务状态每次变化都会通知该地址。"
    "请求头 `webhook-signature`"
    " 按 Standard Webhooks 规范（standardwebhooks.com）使用回调签名密钥签名，请务必验证。建"
    "议同时低频轮询，查询不收费。",
    more="其他说明",
    more_say="其余均与可灵官方 API 一致：路径、请求体、状态和错误码都相同。完整接口文档："
    "`GET {origin}/relay/openapi.json`（使用您的密钥访问）。咨询问题时请提供 `request_id`，"
    "切勿提供密钥。",
)
