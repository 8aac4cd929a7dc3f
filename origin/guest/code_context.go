package main

import (
	"context"
	"sync"
	"time"
)

// codeContext is an interpreter that keeps what its code has made, from call to call: its calls run one after another. When the
// process ends, of its own or because it did not heed an interrupt, the next call begins with a new one and says so.
type codeContext struct {
	id        string
	language  codeLanguage
	cwd       string
	isDefault bool
	createdAt time.Time

	start       startDriver
	environment func() map[string]string
	// prelude is what a new process runs first; nil is nothing.
	prelude func() *codeCall

	turn *codeTurn

	// mutex guards what follows. Only who has the turn starts a driver; anybody may end one.
	mutex     sync.Mutex
	driver    *codeDriver
	calls     int64
	isLost    bool
	wasWarmed bool
	// interrupt is of the call that runs; nil while none does.
	interrupt chan struct{}
	isDeleted bool
}

// codeCall is one call, as it was asked for.
type codeCall struct {
	code           string
	env            map[string]string
	cwd            *string
	timeout        time.Duration
	outputBytesMax int64
	// isWarmUp: nobody sees it; it makes a context quick before anybody has one.
	isWarmUp bool
}

type codeStarted struct {
	ContextID      string `json:"context_id"`
	ExecutionCount int64  `json:"execution_count"`
}

// ready returns the process that runs the next call, and what is said of it. The caller has the turn.
func (c *codeContext) ready(isWarmUp bool) (driver *codeDriver, started codeStarted, restarted bool, refused *codeRefusal) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.isDeleted {
		return nil, started, false, contextNotFound()
	}
	if c.driver != nil && c.driver.isGone() {
		c.driver, c.isLost = nil, true
	}
	restarted = c.isLost
	if c.driver == nil {
		variables := c.environment()
		begun, unable := c.start(c.language, c.cwd, withVariables(variables, c.language.variables))
		if unable != nil {
			return nil, started, false, refuseStart(unable)
		}
		begun.told = variables
		c.driver, c.calls, c.isLost = begun, 0, false
	}
	if !isWarmUp {
		c.calls++
	}
	c.interrupt = make(chan struct{}, 1)
	c.driver.watchMemory()
	return c.driver, codeStarted{c.id, c.calls}, restarted, nil
}

// hasBegun is whether there is a process in which the next call runs. The caller has the turn.
func (c *codeContext) hasBegun() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.driver != nil && !c.driver.isGone()
}

// run is one call from its begin to its end. The caller has the turn.
func (c *codeContext) run(ctx context.Context, call codeCall, frames *frameWriter) (codeEnd, *codeRefusal) {
	driver, started, restarted, refused := c.ready(call.isWarmUp)
	if refused != nil {
		return codeEnd{}, refused
	}
	request, err := c.language.write(c.describe(driver, call, started))
	if err != nil {
		return codeEnd{}, invalidField("code", err.Error())
	}
	began := time.Now()
	frames.writeStarted(started)
	messages := &codeMessages{frames: frames, left: codeMessagesBytesMax, done: make(chan int, 1)}
	driver.stdout.begin(frames, call.outputBytesMax)
	driver.stderr.begin(frames, call.outputBytesMax)
	driver.channel.begin(messages)
	// A process that does not read is not waited for here: it is interrupted, and killed, when its time is over.
	go func() { _, _ = driver.channel.socket.Write(request) }()

	end := c.await(ctx, driver, messages.done, call.timeout)
	c.finish()
	driver.channel.end()
	end.StdoutTruncated = driver.stdout.end()
	end.StderrTruncated = driver.stderr.end()
	end.ResultsTruncated = messages.truncated
	end.ContextRestarted = end.ContextRestarted || restarted
	end.DurationMs = time.Since(began).Milliseconds()
	return end, nil
}

// await ends the call when the driver says so, or has gone. Time, a caller who leaves and whoever asks for it interrupt the code;
// what does not heed that is killed.
func (c *codeContext) await(ctx context.Context, driver *codeDriver, done <-chan int, timeout time.Duration) codeEnd {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	left := ctx.Done()
	reason := reasonExit
	interrupt := func(why string) {
		if reason == reasonExit {
			reason = why
			driver.interrupt()
			timer.Reset(codeInterruptWait)
		}
	}
	c.mutex.Lock()
	asked := c.interrupt
	c.mutex.Unlock()
	for {
		select {
		case exitCode := <-done:
			return endOfCode(reason, exitCode)
		case <-driver.gone:
			c.lose(driver)
			return endOfDriver(reason, driver)
		case <-timer.C:
			if reason != reasonExit {
				driver.kill()
			}
			interrupt(reasonTimeout)
		case <-asked:
			interrupt(reasonInterrupted)
		case <-left:
			left = nil
			if !sessionOf(ctx).keepsCommands.Load() {
				interrupt(reasonInterrupted)
			}
		}
	}
}

// describe says to the driver what to run, and what has changed around it since it was last told.
func (c *codeContext) describe(driver *codeDriver, call codeCall, started codeStarted) driverCall {
	now := c.environment()
	changed := map[string]*string{}
	for name, value := range now {
		if before, isThere := driver.told[name]; !isThere || before != value {
			value := value
			changed[name] = &value
		}
	}
	for name := range driver.told {
		if _, isThere := now[name]; !isThere {
			changed[name] = nil
		}
	}
	driver.told = now
	c.mutex.Lock()
	defer c.mutex.Unlock()
	drawsAnew := c.wasWarmed && !call.isWarmUp
	c.wasWarmed = call.isWarmUp
	env := call.env
	if env == nil {
		env = map[string]string{}
	}
	return driverCall{call.code, started.ExecutionCount, env, changed, call.cwd, drawsAnew}
}

// interruptNow interrupts the call that runs, if one does.
func (c *codeContext) interruptNow() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.interrupt == nil {
		return
	}
	select {
	case c.interrupt <- struct{}{}:
	default:
		// It is being interrupted already.
	}
}

func (c *codeContext) finish() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.interrupt = nil
}

// restart ends the process, and the call that runs in it; the next call has a new one, which is no surprise to anybody then.
func (c *codeContext) restart() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.endDriver()
	c.isLost, c.calls = false, 0
}

// delete ends the context for good.
func (c *codeContext) delete() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.isDeleted = true
	c.endDriver()
}

func (c *codeContext) endDriver() {
	if c.driver == nil {
		return
	}
	c.driver.kill()
	c.driver = nil
}

// lose forgets a process that has ended. The call that ran in it has said so, and the next one need not.
func (c *codeContext) lose(driver *codeDriver) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.driver == driver {
		c.driver = nil
	}
}

func withVariables(all, more map[string]string) map[string]string {
	joined := make(map[string]string, len(all)+len(more))
	for _, layer := range []map[string]string{more, all} {
		for name, value := range layer {
			joined[name] = value
		}
	}
	return joined
}
