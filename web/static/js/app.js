// Starts Turbo and Stimulus. Modules are found by relative addresses: the page needs no import map.

import * as Turbo from "../vendor/turbo.js"
import { Application } from "../vendor/stimulus.js"
import { startPeople } from "./people.js"
import { installStreamActions } from "./streams.js"
import { startClock } from "./times.js"
import AttentionController from "./controllers/attention.js"
import ComposerController from "./controllers/composer.js"
import CopyController from "./controllers/copy.js"
import DecisionController from "./controllers/decision.js"
import FilterController from "./controllers/filter.js"
import InboxController from "./controllers/inbox.js"
import KeysController from "./controllers/keys.js"
import LiveController from "./controllers/live.js"
import MessageController from "./controllers/message.js"
import NeedsController from "./controllers/needs.js"
import NotificationsController from "./controllers/notifications.js"
import QuickController from "./controllers/quick.js"
import SessionController from "./controllers/session.js"
import ShellController from "./controllers/shell.js"
import TimelineController from "./controllers/timeline.js"

document.documentElement.classList.toggle("mac", /mac|iphone|ipad/i.test(navigator.platform))
installStreamActions(Turbo)
startClock()
startPeople()

const application = Application.start()
application.register("attention", AttentionController)
application.register("composer", ComposerController)
application.register("copy", CopyController)
application.register("decision", DecisionController)
application.register("filter", FilterController)
application.register("inbox", InboxController)
application.register("keys", KeysController)
application.register("live", LiveController)
application.register("message", MessageController)
application.register("needs", NeedsController)
application.register("notifications", NotificationsController)
application.register("quick", QuickController)
application.register("session", SessionController)
application.register("shell", ShellController)
application.register("timeline", TimelineController)
