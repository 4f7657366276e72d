"""Numbers that move to another tenant, and numbers that a tenant takes without permission."""

from hostile.crosstenant.claims import SECRET, Finding
from hostile.crosstenant.things import written
from hostile.tenants import HEIR, Stage, Tenant

HEIRLOOM = "what a customer wrote to the number's previous owner"


async def number_changes_hands(stage: Stage, victim: Tenant) -> list[Finding]:
    """The victim's second account gives up its number; the operator gives it to another tenant."""
    number, phone = "106540352290001", "491729500001"
    old = await stage.onboard(victim.name, number, place=1)
    earlier = await written(stage, old, f"{SECRET} before", phone)
    conversation = (await stage.call("GET", f"/messages/{earlier}", old.key)).json()["data"]["conversationId"]
    await stage.operator("POST", f"/account/{old.chatbot_id}/deactivate")
    new = await stage.onboard(HEIR, number)
    later = await written(stage, new, "good morning", phone)
    findings = []
    for name, path in {
        "the earlier message": f"/messages/{earlier}",
        "the earlier conversation": f"/conversations/{conversation}",
        "the earlier thread": f"/conversations/{conversation}/messages",
    }.items():
        answer = await stage.call("GET", path, new.key)
        held = SECRET not in answer.text and earlier not in answer.text
        findings.append(Finding(f"{name} is hidden from the new owner", held, answer.text[:120]))
    shown = await stage.everything(new)
    findings.append(Finding("nothing else shows it to the new owner", SECRET not in shown, "it does"))
    findings.append(Finding("the new owner sees its own", later in shown, "it does not"))
    kept = await stage.call("GET", f"/messages/{earlier}", old.key)
    findings.append(Finding("the previous owner keeps it", kept.status == 200 and SECRET in kept.text, kept.text[:120]))
    after = await stage.everything(old)
    findings.append(Finding("the previous owner does not see what came later", later not in after, "it does"))
    return findings


async def claiming(stage: Stage, attacker: Tenant, victim: Tenant) -> list[Finding]:
    """The attacker registers numbers without permission: that of a deactivated account, and one that its token reaches."""
    number = "106540352290002"
    gone = await stage.onboard(victim.name, number, place=2)
    await written(stage, gone, HEIRLOOM, "491729500002")
    await stage.operator("POST", f"/account/{gone.chatbot_id}/deactivate")
    body = {"chatbotId": f"{attacker.chatbot_id}-3", "phoneNumberId": number, "webhookVerifyToken": "fake"}
    findings = []
    own = {"phoneNumberId": "106540352290003", "wabaId": attacker.waba}
    token = (await stage.client.control("POST", "businesses", own))["token"]
    for path in ("/account", "/account?verify=true"):
        answer = await stage.call("POST", path, attacker.key, {**body, "accessToken": token})
        taken = f"answered {answer.status}: {answer.text[:120]}"
        findings.append(Finding(f"a deactivated account's number by {path}", answer.status in {400, 403, 409}, taken))
    shown = await stage.everything(attacker)
    findings.append(Finding("and nothing of it is shown", HEIRLOOM not in shown, "it is"))
    mine = {"chatbotId": f"{attacker.chatbot_id}-4", **own, "accessToken": token, "webhookVerifyToken": "fake"}
    answer = await stage.call("POST", "/account?verify=true", attacker.key, mine)
    findings.append(Finding("a number that its token reaches", answer.status == 200, answer.text[:120]))
    return findings
