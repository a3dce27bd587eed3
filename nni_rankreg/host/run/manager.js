'use strict';
/*
 * What NNI's manager lacks, read by Node before it: NODE_OPTIONS="--require=FILE".
 *
 * NNI_RANKREG_HOST    The address to listen on; 0.0.0.0 are all. Unless said otherwise 127.0.0.1,
 *                     or all if trials run on other machines, which connect to it.
 * NNI_RANKREG_SEARCH  The id of the process that it ends with; without one it stays.
 */

const Module = require('node:module');
const net = require('node:net');
const processes = require('node:child_process');

const mode = process.argv.indexOf('--mode') + 1;    // NNI's name of the training service
const everywhere = mode > 0 && process.argv[mode] !== 'local';
const { NNI_RANKREG_HOST: host = everywhere ? '0.0.0.0' : '127.0.0.1',
        NNI_RANKREG_SEARCH: search } = process.env;

// Trials and tuners inherit what is left, and are none of this.
delete process.env.NNI_RANKREG_HOST;
delete process.env.NNI_RANKREG_SEARCH;
process.env.NODE_OPTIONS = (process.env.NODE_OPTIONS ?? '').replace(/"?--require=[^"]*manager\.js"?/, '');

// NNI listens on all interfaces, without a password, and whoever reaches it can run code.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
    const given = typeof args[0] === 'object' ? { ...args.shift() } : { port: args.shift() };
    const callback = args.filter((one) => typeof one === 'function');
    return listen.call(this, { host, ...given }, ...callback);
};

// NNI's manager outlives a search that is killed: it is left to another process then.
if (search !== undefined) {
    const watch = setInterval(() => {
        if (process.ppid !== Number(search)) {
            clearInterval(watch);
            process.kill(process.pid, 'SIGTERM');   // it stops its trials, then itself
        }
    }, 1000);
}

// The tuner of nnictl that is killed leaves a manager that is RUNNING, and waits for it for good.
const spawn = processes.spawn;
processes.spawn = function (...args) {
    const child = spawn.apply(this, args);
    if (args.at(-1)?.env?.SDK_PROCESS === 'dispatcher') {
        child.on('exit', (status, signal) => {
            if (signal || status > 128) {           // the shell's way to say so
                process.kill(process.pid, 'SIGTERM');
            }
        });
    }
    return child;
};

// NNI gives parameters to whichever trial asks first. A trial that dies before it asks would leave
// its own to the next one, that one's to the one after, and so on.
function giveOwnParameters(service) {
    const submit = service.submitTrialJob;
    service.submitTrialJob = async function (form) {
        const trial = await submit.call(this, form);
        const index = this.parameters.lastIndexOf(form.hyperParameters.value);
        if (index >= 0) {
            this.allocatedParameters.set(trial.id, ...this.parameters.splice(index, 1));
        }
        return trial;
    };
}

// A trial that a signal has ended is 'canceled by user' for NNI, as are those that it ends itself.
function tellWhoHasEnded(service) {
    const cancel = service.cancelTrialJob;
    service.cancelTrialJob = function (id, isEarlyStopped) {
        Object.assign(this.trialJobs[id], { isCanceled: true, isEarlyStopped });
        return cancel.call(this, id, isEarlyStopped);
    };
    const get = service.getTrialJob;
    service.getTrialJob = async function (id) {
        const trial = await get.call(this, id);
        if (trial.status === 'USER_CANCELED' && !trial.isCanceled) {
            trial.status = 'SYS_CANCELED';
        }
        return trial;
    };
}

// NNI forgets the exit status or signal of a trial. Its web UI shows the message of a trial.
function tellHowItHasEnded(service) {
    const run = service.run;
    service.run = function () {
        const { trialJobs, v3 } = this;
        const listen = v3.onTrialEnd;
        v3.onTrialEnd = (callback) => listen.call(v3, (id, timestamp, status) => {
            const signal = v3.trialKeeper?.trials.get(id)?.info.stopSignal;   // not of other machines
            if (signal || status) {
                trialJobs[id].message = signal ?? `exit status ${status}`;
            }
            return callback(id, timestamp, status);
        });
        return run.call(this);
    };
}

const load = Module._load;
Module._load = function (request, ...args) {
    const exported = load.call(this, request, ...args);
    if (request === '../training_service/v3/compat') {
        Module._load = load;
        giveOwnParameters(exported.V3asV1.prototype);
        tellWhoHasEnded(exported.V3asV1.prototype);
        tellHowItHasEnded(exported.V3asV1.prototype);
    }
    return exported;
};
