// Leads every call that the SDK makes to Xero to the emulator. The SDK has its addresses built in; this changes where
// they lead and nothing else, so that what runs is the published package.

import http from "node:http";
import https from "node:https";

const XERO_HOSTS = new Set(["api.xero.com", "identity.xero.com", "login.xero.com"]);

/** Sends all later HTTPS requests for Xero's hosts to `emulator`, an `http://` URL, with path, headers and body kept. */
export function callEmulator(emulator) {
    const { hostname, port } = new URL(emulator);
    const untouched = https.request;
    https.request = (...parameters) => {
        // Node's three forms: (url, options, callback), (url, callback), (options, callback).
        const address = typeof parameters[0] === "object" && !(parameters[0] instanceof URL) ? null : parameters.shift();
        const options = typeof parameters[0] === "object" ? parameters.shift() : {};
        const target = address ? { ...fromUrl(new URL(address)), ...options } : options;
        const host = target.hostname ?? target.host;
        if (!XERO_HOSTS.has(host)) {
            return untouched.call(https, ...(address ? [address] : []), options, ...parameters);
        }
        const redirected = { ...target, protocol: "http:", host: hostname, hostname, port, agent: undefined };
        delete redirected.agents;
        delete redirected.defaultPort;
        return http.request(redirected, ...parameters);
    };
}

function fromUrl(url) {
    return { hostname: url.hostname, path: url.pathname + url.search };
}
