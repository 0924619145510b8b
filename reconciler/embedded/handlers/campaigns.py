"""Operations on a campaign as a whole."""

from reconciler.embedded import lifecycle
from reconciler.embedded.errors import CallRefused, NotSet
from reconciler.embedded.simulation.world import world_of
from reconciler.embedded.tables import campaigns, gateways, settings
from reconciler.embedded.tables.campaigns import Campaign, Filter, Spec
from reconciler.embedded.wire import (
    Body,
    Handler,
    Json,
    ReceivedCall,
    check_text,
    digits,
    filters,
    mapping,
    optional_text,
    page,
    text,
    texts,
)


def campaign_of(call: ReceivedCall) -> Campaign:
    """The campaign that the path names; a body that names another one is refused."""
    campaign_id = call.path["campaign_id"]
    if optional_text(call.body, "campaignId") not in ("", campaign_id):
        raise CallRefused(400, "`campaignId` in the body is not the campaign of the path.")
    return campaigns.find(call.db, campaign_id, until=call.shown_ms)


def _spec(body: Body) -> Spec:
    values = mapping(mapping(body, "campaignSettings"), "settings")
    for key, value in values.items():
        check_text(key, "A key of `settings`")
        check_text(value, f"The setting {key!r}")
    return Spec(
        name=text(body, "name"),
        description=optional_text(body, "description"),
        packages=tuple(texts(body, "packages")),
        settings={key: str(value) for key, value in values.items()},
    )


def create(call: ReceivedCall) -> Json:
    """Create Campaign."""
    spec = _spec(call.body)
    approval = settings.load(call.db).approval_needed
    campaign_id = call.context.new_id()
    campaigns.insert(
        call.db,
        campaign_id,
        spec,
        status=lifecycle.first(approval_needed=approval),
        made_under_approval=approval,
        now_ms=call.context.now_ms(),
    )
    return {"uuid": campaign_id}


def edit(call: ReceivedCall) -> Json:
    """Edit Campaign: replaces; a field that `updateSpec` lacks becomes empty."""
    campaign = campaign_of(call)
    if "updateSpec" not in call.body:
        raise CallRefused(400, "`updateSpec` is required.")
    spec = _spec(mapping(call.body, "updateSpec"))
    chosen = settings.load(call.db)
    status = lifecycle.edited(
        campaign.status,
        made_under_approval=campaign.made_under_approval,
        reapprove=chosen.reapprove_after_edit,
    )
    campaigns.replace(call.db, campaign.seq, spec, status=status, now_ms=call.context.now_ms())
    if chosen.rerun_after_edit and set(spec.packages) != set(campaign.packages):
        gateways.run_again(call.db, campaign.seq, call.context.now_ms())
    return {"uuid": campaign.id}


def delete(call: ReceivedCall) -> Json:
    """Delete Campaign."""
    campaign = campaign_of(call)
    lifecycle.check_delete(campaign.status)
    campaigns.delete(call.db, campaign.seq)
    return {}


def get(call: ReceivedCall) -> Json:
    """Get Campaign."""
    return _shown(campaign_of(call))


def _shown(campaign: Campaign) -> Json:
    return {
        "status": campaign.status,
        "name": campaign.name,
        "creationTime": str(campaign.created_ms),
        "packages": {"packages": list(campaign.packages)},
        "id": campaign.id,
        "description": campaign.description,
    }


def listing(call: ReceivedCall) -> Json:
    """List Campaigns, oldest first. Callback filters and the sort direction change nothing."""
    wanted = Filter(*filters(call.query, "id", "name", "status", "description", "creationTime", "packages"))
    part = page(call.query, settings.load(call.db).max_page_size)
    total, found = campaigns.listing(
        call.db, part, wanted, exact=call.context.speech.exact, until=call.shown_ms
    )
    return part.answer(total, "campaigns", [_shown(campaign) for campaign in found])


def moved(call_name: str) -> Handler:
    """Start, Stop and Approve Campaign by ID."""

    def handle(call: ReceivedCall) -> Json:
        campaign = campaign_of(call)
        status = lifecycle.move(call_name, campaign.status)
        campaigns.set_status(call.db, campaign.seq, status, call.context.now_ms())
        if world := world_of(call):
            world.status_changed(campaign.seq, status)
        return {}

    return handle


def register_callback(kind: str) -> Handler:
    """Register … Callback: kept; the five kinds are the last part of the path."""

    def handle(call: ReceivedCall) -> Json:
        campaign = campaign_of(call)
        destination = text(call.body, "notificationDestinationId")
        states = texts(call.body, "trackedStates") if kind == "state-change" else []
        campaigns.set_callback(call.db, campaign.seq, kind, destination, states)
        return {}

    return handle


def set_distribution_list(call: ReceivedCall) -> Json:
    """Set Campaign Distribution List. It can be replaced, not cleared."""
    campaign = campaign_of(call)
    list_id = text(call.body, "distributionListId")
    seconds = digits(call.body, "reevaluationIntervalSeconds")
    if int(seconds) == 0:
        raise CallRefused(400, "`reevaluationIntervalSeconds` must be more than 0.")
    campaigns.set_distribution_list(call.db, campaign.seq, list_id, seconds)
    if world := world_of(call):
        world.listed(campaign.seq)
    return {}


def get_distribution_list(call: ReceivedCall) -> Json:
    """Get Campaign Distribution List: 404 when there is none."""
    campaign = campaign_of(call)
    if campaign.distribution_list_id is None:
        raise NotSet(campaign.id)
    return {
        "distributionListId": campaign.distribution_list_id,
        "reevaluationIntervalSeconds": campaign.reevaluation_seconds,
        "campaignId": campaign.id,
    }


def status(call: ReceivedCall) -> Json:
    """Get Overall Campaign Status."""
    campaign = campaign_of(call)
    states = gateways.states(call.db, campaign.seq)
    return {
        "status": campaign.status,
        "name": campaign.name,
        "campaignId": campaign.id,
        "numberOfGatewaysInActivationCompleteState": str(states.get("ACTIVATION_COMPLETE", 0)),
        "numberOfGatewaysInExecutionCompleteState": str(states.get("EXECUTION_COMPLETE", 0)),
        "creationTime": str(campaign.created_ms),
        "modificationTime": str(campaign.modified_ms),
        "totalNumberOfGateways": str(sum(states.values())),
        "totalNumberOfPackages": str(len(campaign.packages)),
        "numberOfGatewaysInDownloadCompleteState": str(states.get("DOWNLOAD_COMPLETE", 0)),
        "description": campaign.description,
    }


def counts(call: ReceivedCall) -> Json:
    """Get Campaign Count by Status; the first key is spelled as on the wire."""
    found = campaigns.counts(call.db)
    return {
        "aprovedNotStartedCount": str(found.get(lifecycle.APPROVED, 0)),
        "startedCount": str(found.get(lifecycle.STARTED, 0)),
        "stoppedCount": str(found.get(lifecycle.STOPPED, 0)),
        "waitingApprovalCount": str(found.get(lifecycle.APPROVAL_NEEDED, 0)),
        "noApprovalNeededReadyToStartCount": str(found.get(lifecycle.CREATED, 0)),
    }
