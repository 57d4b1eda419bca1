"""What can be asked for, each with its fields and with what it becomes at Kling."""

from relay.studio.capabilities.capability import Capability, Rules
from relay.studio.capabilities.images import IMAGES
from relay.studio.capabilities.sounds import SOUNDS
from relay.studio.capabilities.videos import VIDEOS

CAPABILITIES: tuple[Capability, ...] = (*VIDEOS, *IMAGES, *SOUNDS)
BY_NAME = {capability.name: capability for capability in CAPABILITIES}

__all__ = ["BY_NAME", "CAPABILITIES", "Capability", "Rules"]
