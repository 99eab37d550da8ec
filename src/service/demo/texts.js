// @ts-check
/**
 * Every word of the page, in English and Spanish: `[english, spanish]` under a key. `{name}` stands for what the caller
 * fills in.
 */

/** @typedef {'en' | 'es'} Language */

/** @type {Record<string, [string, string]>} */
const TEXTS = {
  // The page
  'page.title': ['AutaMedica – Video consultation', 'AutaMedica – Videoconsulta'],
  'page.notice': ['Demonstration', 'Demostración'],
  'page.language': ['Language', 'Idioma'],
  'page.skip': ['Skip to the content', 'Ir al contenido'],

  // Roles, as a name and in a sentence
  'role.doctor': ['Doctor', 'Médico'],
  'role.patient': ['Patient', 'Paciente'],
  'role.observer': ['Observer', 'Observador'],
  'the.doctor': ['the doctor', 'el médico'],
  'the.patient': ['the patient', 'el paciente'],
  'the.observer': ['an observer', 'un observador'],
  'role.doctor.hint': ['Leads the consultation', 'Dirige la consulta'],
  'role.patient.hint': ['Is being seen', 'Recibe la atención'],
  'role.observer.hint': ['Watches and listens only', 'Solo mira y escucha'],

  // Before the call
  'lobby.heading': ['Video consultation', 'Videoconsulta'],
  'lobby.lead': [
    'Doctor and patient see and hear each other directly, encrypted from one browser to the other.',
    'Médico y paciente se ven y se oyen directamente, con cifrado de un navegador al otro.'],
  'lobby.invited': ['You are invited to a consultation as {role}.', 'Está invitado a una consulta como {role}.'],
  'lobby.role': ['Who are you?', '¿Quién es usted?'],
  'lobby.join': ['Join with camera and microphone', 'Entrar con cámara y micrófono'],
  'lobby.join.observer': ['Join as observer', 'Entrar como observador'],
  'lobby.join.without': ['Join without camera and microphone', 'Entrar sin cámara ni micrófono'],
  'lobby.permission': [
    'Your browser will ask whether this page may use them.',
    'El navegador le pedirá permiso para usarlos.'],
  'lobby.permission.observer': [
    'Observers need no camera and no microphone.',
    'Los observadores no necesitan cámara ni micrófono.'],
  'lobby.hint': [
    'After joining you get a link for the other side. Two tabs of one browser are enough to try it.',
    'Después de entrar recibirá un enlace para la otra persona. Para probarlo bastan dos pestañas del mismo navegador.'],

  // The call
  'room.heading': ['Consultation', 'Consulta'],
  'you': ['You', 'Usted'],
  'you.role': ['You ({role})', 'Usted ({role})'],
  'tile.waiting': ['Waiting for {who}', 'A la espera de {who}'],
  'tile.waiting.hint': ['Send them the link to this consultation.', 'Envíele el enlace de esta consulta.'],
  'tile.waiting.observer': ['Nobody is here yet', 'Todavía no hay nadie'],
  'tile.connecting': ['Setting up the connection…', 'Estableciendo la conexión…'],
  'tile.nopicture': ['No picture', 'Sin imagen'],
  'tile.camera.off': ['Camera off', 'Cámara apagada'],
  'tile.microphone.off': ['Microphone off', 'Micrófono apagado'],
  'tile.interrupted': ['Connection interrupted', 'Conexión interrumpida'],
  'tile.failed': ['No connection', 'Sin conexión'],
  'tile.screen': ['Screen of {who}', 'Pantalla de {who}'],
  'tool.mute': ['Mute {who}', 'Silenciar a {who}'],
  'tool.unmute': ['Ask to unmute', 'Pedir que active el audio'],
  'tool.asked': ['Asked', 'Pedido enviado'],
  'sharing': ['You are sharing your screen', 'Está compartiendo su pantalla'],
  'watching.one': ['1 observer is watching', '1 observador está mirando'],
  'watching.many': ['{count} observers are watching', '{count} observadores están mirando'],
  'control.mute': ['Mute', 'Silenciar'],
  'control.unmute': ['Unmute', 'Activar audio'],
  'control.camera.off': ['Stop camera', 'Apagar cámara'],
  'control.camera.on': ['Start camera', 'Encender cámara'],
  'control.screen.share': ['Share screen', 'Compartir pantalla'],
  'control.screen.stop': ['Stop sharing', 'Dejar de compartir'],
  'control.end': ['End for all', 'Terminar'],
  'control.hangup': ['Hang up', 'Colgar'],
  'control.leave': ['Leave', 'Salir'],
  'controls': ['Call controls', 'Controles de la llamada'],

  'confirm.end': ['End the consultation for everyone?', '¿Terminar la consulta para todos?'],
  'confirm.end.text': [
    'Everybody is disconnected, and nobody can join it again. To leave only by yourself, hang up.',
    'Todos quedan desconectados y nadie podrá volver a entrar. Para salir solo usted, cuelgue.'],
  'confirm.yes': ['End for all', 'Terminar para todos'],
  'confirm.cancel': ['Go on with it', 'Continuar la consulta'],

  // What the doctor does to the user's devices, or asks for
  'wish.audio.off': ['The doctor has muted you', 'El médico ha silenciado su micrófono'],
  'wish.audio.off.text': ['Nobody hears you until you switch it on again.', 'Nadie le oye hasta que usted lo vuelva a activar.'],
  'wish.audio.on': ['The doctor asks you to switch your microphone on', 'El médico le pide que active su micrófono'],
  'wish.audio.on.text': ['Nobody hears you before you do.', 'Mientras no lo haga, nadie le oye.'],
  'wish.audio.again': ['Unmute', 'Activar audio'],
  'wish.video.off': ['The doctor has switched your camera off', 'El médico ha apagado su cámara'],
  'wish.video.off.text': ['Nobody sees you until you switch it on again.', 'Nadie le ve hasta que usted la vuelva a encender.'],
  'wish.video.on': ['The doctor asks you to switch your camera on', 'El médico le pide que encienda su cámara'],
  'wish.video.on.text': ['Nobody sees you before you do.', 'Mientras no lo haga, nadie le ve.'],
  'wish.video.again': ['Start camera', 'Encender cámara'],
  'notice.dismiss': ['Not now', 'Ahora no'],

  // The status
  'status.permission': ['Waiting for your permission to use camera and microphone…', 'A la espera de su permiso para usar cámara y micrófono…'],
  'status.connecting': ['Connecting to the server…', 'Conectando con el servidor…'],
  'status.waiting': ['You are in the room. Waiting for {who}.', 'Ya está en la sala. A la espera de {who}.'],
  'status.waiting.observer': ['You are in the room. Nobody else is here yet.', 'Ya está en la sala. Todavía no hay nadie más.'],
  'status.negotiating': ['{who} is here. Setting up the connection…', '{who} ya está aquí. Estableciendo la conexión…'],
  'status.connected': ['Connected with {who}.', 'Conexión establecida con {who}.'],
  'status.connected.detail': [
    'Picture and sound are encrypted and do not pass through this server.',
    'La imagen y el sonido van cifrados y no pasan por este servidor.'],
  'status.interrupted': ['The connection with {who} is interrupted. Trying to restore it…', 'Se ha interrumpido la conexión con {who}. Intentando recuperarla…'],
  'status.failed': ['No connection with {who}. Trying again…', 'Sin conexión con {who}. Reintentando…'],
  'status.away': ['{who} has lost the connection. The place is kept for a minute.', '{who} ha perdido la conexión. Se le guarda el lugar durante un minuto.'],
  'status.reconnecting.call': ['The call goes on meanwhile.', 'La llamada continúa mientras tanto.'],
  'status.retry.in': ['Trying again in {seconds} s.', 'Nuevo intento en {seconds} s.'],
  'status.retry.now': ['Try now', 'Intentar ahora'],

  // The panels
  'code.heading': ['Who is at the other end?', '¿Quién está al otro lado?'],
  'code.note': [
    'Read the digits to each other. If both see the same, the call is encrypted from you to them and nobody is in between. If not, hang up: someone could be listening.',
    'Léanse los números en voz alta. Si ambos ven los mismos, la llamada va cifrada de usted a la otra persona y nadie está en medio. Si no, cuelgue: alguien podría estar escuchando.'],
  'code.none': ['not available at this address', 'no disponible en esta dirección'],
  'invite.heading': ['Invite', 'Invitar'],
  'invite.link': ['Link for {who}', 'Enlace para {who}'],
  'invite.copy': ['Copy', 'Copiar'],
  'invite.copy.for': ['Copy the link for {who}', 'Copiar el enlace para {who}'],
  'invite.copied': ['Copied', 'Copiado'],
  'invite.note': [
    'The link names the consultation and a role. It holds no key: here the server gives one to whoever asks, which only this demonstration does.',
    'El enlace indica la consulta y un rol. No contiene ninguna clave: aquí el servidor la da a quien la pida, y solo esta demostración lo hace.'],
  'flow.heading': ['What the two sides tell each other', 'Lo que se dicen las dos partes'],
  'flow.lead': [
    'The signaling messages, newest last. Open one to read it.',
    'Los mensajes de señalización; los más nuevos, al final. Abra uno para leerlo.'],
  'flow.server': ['server', 'servidor'],
  'flow.others': ['others', 'otros'],
  'flow.routine': ['Show pings and acknowledgements', 'Mostrar pings y confirmaciones'],
  'flow.empty': ['Nothing yet.', 'Todavía nada.'],
  'flow.out': ['From you to {other}', 'De usted a {other}'],
  'flow.in': ['From {other} to you', 'De {other} a usted'],

  // After the call
  'over.left': ['You have left the consultation', 'Ha salido de la consulta'],
  'over.left.text': ['Camera and microphone are off.', 'La cámara y el micrófono están apagados.'],
  'over.ended': ['The doctor has ended the consultation', 'El médico ha terminado la consulta'],
  'over.ended.text': ['It is over for everyone. Camera and microphone are off.', 'Ha terminado para todos. La cámara y el micrófono están apagados.'],
  'over.ended.own': ['You have ended the consultation', 'Usted ha terminado la consulta'],
  'over.ended.own.text': ['It is over for everyone. Camera and microphone are off.', 'Ha terminado para todos. La cámara y el micrófono están apagados.'],
  'over.ended.age': ['The consultation has reached its longest time', 'La consulta ha llegado a su duración máxima'],
  'over.ended.age.text': ['It is over for everyone. Start a new one to go on.', 'Ha terminado para todos. Inicie otra para continuar.'],
  'over.rejoin': ['Join again', 'Volver a entrar'],
  'over.retry': ['Try again', 'Reintentar'],
  'over.takeback': ['Continue here', 'Continuar aquí'],
  'over.observe': ['Join as observer', 'Entrar como observador'],
  'over.new': ['Start a new consultation', 'Iniciar otra consulta'],

  // What went wrong with the devices, and what to do
  'problem.media-denied': ['Camera and microphone are not allowed', 'La cámara y el micrófono no están permitidos'],
  'problem.media-denied.text': [
    'You can watch and listen, but nobody sees or hears you. Allow both in the browser’s address bar, then try again.',
    'Usted puede ver y oír, pero nadie le ve ni le oye. Permita ambos en la barra de direcciones del navegador y vuelva a intentarlo.'],
  'problem.no-devices': ['No camera and no microphone found', 'No se encontró cámara ni micrófono'],
  'problem.no-devices.text': [
    'You can watch and listen, but nobody sees or hears you. Connect a device, then try again.',
    'Usted puede ver y oír, pero nadie le ve ni le oye. Conecte un dispositivo y vuelva a intentarlo.'],
  'problem.no-camera': ['No camera found', 'No se encontró ninguna cámara'],
  'problem.no-camera.text': [
    'The others hear you, but do not see you. Connect a camera, then try again.',
    'Los demás le oyen, pero no le ven. Conecte una cámara y vuelva a intentarlo.'],
  'problem.no-microphone': ['No microphone found', 'No se encontró ningún micrófono'],
  'problem.no-microphone.text': [
    'The others see you, but do not hear you. Connect a microphone, then try again.',
    'Los demás le ven, pero no le oyen. Conecte un micrófono y vuelva a intentarlo.'],
  'problem.device-busy': ['The camera or the microphone cannot be used', 'No se puede usar la cámara o el micrófono'],
  'problem.device-busy.text': [
    'Another program is probably using it. Close that program, then try again.',
    'Probablemente lo está usando otro programa. Ciérrelo y vuelva a intentarlo.'],
  'problem.device-lost': ['The camera or the microphone has stopped', 'La cámara o el micrófono ha dejado de funcionar'],
  'problem.device-lost.text': ['Check that it is connected, then try again.', 'Compruebe que está conectado y vuelva a intentarlo.'],
  'problem.insecure': ['This address does not allow a camera', 'Esta dirección no permite usar la cámara'],
  'problem.insecure.text': [
    'Browsers open camera and microphone only for https and for this same computer (127.0.0.1). You can watch and listen.',
    'Los navegadores solo permiten cámara y micrófono con https o en este mismo equipo (127.0.0.1). Usted puede ver y oír.'],
  'problem.screen': ['The screen could not be shared', 'No se pudo compartir la pantalla'],
  'problem.screen.text': [
    'The system does not allow it to the browser, or the window was closed.',
    'El sistema no se lo permite al navegador, o la ventana se cerró.'],
  'problem.without': ['You have joined without camera and microphone', 'Ha entrado sin cámara ni micrófono'],
  'problem.without.text': ['You see and hear the others; they do not see or hear you.', 'Usted ve y oye a los demás; ellos no le ven ni le oyen.'],
  'problem.without.again': ['Use camera and microphone', 'Usar cámara y micrófono'],
  'problem.media.again': ['Try again', 'Reintentar'],
  'problem.sound-blocked': ['The browser holds the sound back', 'El navegador retiene el sonido'],
  'problem.sound-blocked.text': ['It waits for a click of yours.', 'Espera a que usted haga clic.'],
  'problem.sound-blocked.again': ['Turn the sound on', 'Activar el sonido'],

  // What went wrong in the call
  'problem.ice-failed': ['No way through the network to {who}', 'No hay camino por la red hasta {who}'],
  'problem.ice-failed.text': [
    'The server is reached, but picture and sound do not get through: usually a firewall that blocks UDP, or no TURN server. It is tried again by itself. Another network, a phone’s for example, often helps.',
    'Se llega al servidor, pero la imagen y el sonido no pasan: suele ser un cortafuegos que bloquea UDP, o la falta de un servidor TURN. Se reintenta solo. Otra red, por ejemplo la del teléfono, suele ayudar.'],
  'problem.turn-refused': ['The TURN server refused the credential', 'El servidor TURN rechazó la credencial'],
  'problem.turn-refused.text': [
    'It is wrong or has expired (401), so picture and sound find no way around a firewall to {who}. Those who run the servers see more with “check --network”. Fresh credentials are used as soon as they come.',
    'Es incorrecta o ha vencido (401), así que la imagen y el sonido no encuentran cómo rodear un cortafuegos hasta {who}. Quienes administran los servidores ven más con «check --network». Las credenciales nuevas se usan en cuanto llegan.'],
  'problem.negotiation': ['The connection with {who} could not be agreed', 'No se pudo acordar la conexión con {who}'],
  'problem.negotiation.text': ['Reload the page on both sides. ({code})', 'Recargue la página en ambos lados. ({code})'],

  // Why the server cannot be used at the moment
  'problem.UNREACHABLE': ['The server cannot be reached', 'No se puede llegar al servidor'],
  'problem.UNREACHABLE.text': ['Check your network. It is tried again by itself.', 'Compruebe su red. Se reintenta solo.'],
  'problem.CONNECTION_LOST': ['The connection to the server was lost', 'Se ha perdido la conexión con el servidor'],
  'problem.CONNECTION_LOST.text': ['It is tried again by itself.', 'Se reintenta solo.'],
  'problem.SERVER_SHUTDOWN': ['The server is restarting', 'El servidor se está reiniciando'],
  'problem.SERVER_SHUTDOWN.text': ['Nothing to do: you come back by yourself.', 'No tiene que hacer nada: volverá a entrar solo.'],
  'problem.RATE_LIMITED': ['Too many messages in a short time', 'Demasiados mensajes en poco tiempo'],
  'problem.RATE_LIMITED.text': ['The server asks for a pause. It is tried again by itself.', 'El servidor pide una pausa. Se reintenta solo.'],
  'problem.AUDIT_UNAVAILABLE': ['The server admits nobody at the moment', 'El servidor no admite a nadie en este momento'],
  'problem.AUDIT_UNAVAILABLE.text': [
    'It cannot write its audit log. Tell those who run it; it is tried again by itself.',
    'No puede escribir su registro de auditoría. Avise a quienes lo administran; se reintenta solo.'],

  // Why the user cannot stay
  'problem.TOKEN_INVALID': ['Your access was refused', 'Se ha rechazado su acceso'],
  'problem.TOKEN_INVALID.text': [
    'The server did not accept the access token, nor a fresh one. Try again; if that does not help, the clocks or the secrets of the two systems differ.',
    'El servidor no aceptó la clave de acceso, ni una nueva. Vuelva a intentarlo; si no ayuda, los relojes o los secretos de los dos sistemas difieren.'],
  'problem.TOKEN_REFUSED': ['No access token was given out', 'No se ha emitido una clave de acceso'],
  'problem.TOKEN_REFUSED.text': [
    'The server gives out tokens in development mode only. ({code})',
    'El servidor solo emite claves en modo de desarrollo. ({code})'],
  'problem.FORBIDDEN': ['You are not allowed in here', 'No tiene permiso para entrar'],
  'problem.FORBIDDEN.text': [
    'Your access is for another consultation or role, or someone in charge has removed you.',
    'Su acceso es para otra consulta u otro rol, o un responsable le ha retirado.'],
  'problem.ROLE_TAKEN': ['{who} is already here', '{who} ya está en la consulta'],
  'problem.ROLE_TAKEN.text': [
    'The place is taken. If it was you, close the other window or wait a minute, then try again. You can also choose another role.',
    'El lugar está ocupado. Si era usted, cierre la otra ventana o espere un minuto y vuelva a intentarlo. También puede elegir otro rol.'],
  'problem.ROOM_FULL': ['The room is full', 'La sala está llena'],
  'problem.ROOM_FULL.text': ['Ask someone to leave, then try again.', 'Pida a alguien que salga y vuelva a intentarlo.'],
  'problem.REPLACED': ['You continue in another window', 'Usted continúa en otra ventana'],
  'problem.REPLACED.text': [
    'The same person has joined from another window or device, which has taken over from here.',
    'La misma persona ha entrado desde otra ventana u otro dispositivo, que ha tomado el relevo.'],
  'problem.SESSION_ENDED': ['The consultation has ended', 'La consulta ha terminado'],
  'problem.SESSION_ENDED.text': ['It cannot be joined again.', 'Ya no se puede entrar en ella.'],
  'problem.bad-link': ['This link is incomplete', 'Este enlace está incompleto'],
  'problem.bad-link.text': ['Ask for it again, or start a new consultation.', 'Pídalo de nuevo o inicie otra consulta.'],
  'problem.other': ['Something went wrong', 'Algo ha fallado'],
  'problem.other.text': ['Try again. ({code})', 'Vuelva a intentarlo. ({code})'],

  // The messages: a title, and what it is for
  'message.join-room': ['Asks to join', 'Pide entrar'],
  'message.join-room.text': ['Asks the server to be let into the room, and shows the access token.', 'Pide al servidor que le deje entrar en la sala y muestra la clave de acceso.'],
  'message.leave-room': ['Leaves', 'Sale de la sala'],
  'message.leave-room.text': ['Gives the place in the room back.', 'Devuelve su lugar en la sala.'],
  'message.room-joined': ['Let in', 'Admitido'],
  'message.room-joined.text': ['The server’s answer: who else is there, and which servers help to find a way through the network.', 'La respuesta del servidor: quién más está y qué servidores ayudan a encontrar un camino por la red.'],
  'message.peer-joined': ['{name} has joined', '{name} ha entrado'],
  'message.peer-joined.text': ['Someone else has come into the room.', 'Alguien más ha entrado en la sala.'],
  'message.peer-left': ['{name} has left', '{name} ha salido'],
  'message.peer-left.text': ['Someone has left the room for good.', 'Alguien ha salido definitivamente de la sala.'],
  'message.peer-state': ['News of {name}', 'Novedades de {name}'],
  'message.peer-state.text': ['Whether someone is connected, and what of theirs is on.', 'Si alguien está conectado y qué tiene encendido.'],
  'message.peer-stats': ['Quality at {name}’s', 'Calidad de {name}'],
  'message.peer-stats.text': ['How well picture and sound arrive there.', 'Qué tal llegan allí la imagen y el sonido.'],
  'message.room-status': ['State of the room', 'Estado de la sala'],
  'message.room-status.text': ['Waiting, active or ended.', 'En espera, activa o terminada.'],
  'message.offer': ['Offer', 'Oferta'],
  'message.offer.text': ['Proposes how to exchange picture and sound: formats, and the fingerprint of the encryption key (SDP).', 'Propone cómo intercambiar imagen y sonido: formatos y la huella de la clave de cifrado (SDP).'],
  'message.answer': ['Answer', 'Respuesta'],
  'message.answer.text': ['Accepts an offer and says which of it will be used (SDP).', 'Acepta una oferta y dice qué parte de ella se usará (SDP).'],
  'message.ice-candidate': ['Possible route', 'Ruta posible'],
  'message.ice-candidate.text': ['An address at which the sender may be reached directly (ICE). The browsers try them in pairs.', 'Una dirección en la que quizá se llegue directamente al remitente (ICE). Los navegadores las prueban por pares.'],
  'message.ice-servers': ['New network helpers', 'Nuevos ayudantes de red'],
  'message.ice-servers.text': ['Fresh credentials for the relay servers.', 'Credenciales nuevas para los servidores de retransmisión.'],
  'message.media-state': ['Says what is on', 'Dice qué está encendido'],
  'message.media-state.text': ['Whether the sender’s camera and microphone are on.', 'Si la cámara y el micrófono del remitente están encendidos.'],
  'message.media-control': ['Asks to switch', 'Pide un cambio'],
  'message.media-control.text': ['The doctor asks for a microphone or a camera to be switched.', 'El médico pide que se cambie un micrófono o una cámara.'],
  'message.connection-state': ['Says how it is connected', 'Dice cómo está conectado'],
  'message.connection-state.text': ['How the media connection stands.', 'Cómo está la conexión de imagen y sonido.'],
  'message.connection-stats': ['Says how well it works', 'Dice qué tal funciona'],
  'message.connection-stats.text': ['How well picture and sound arrive.', 'Qué tal llegan la imagen y el sonido.'],
  'message.end-session': ['Ends the consultation', 'Termina la consulta'],
  'message.end-session.text': ['The doctor closes the room for everyone.', 'El médico cierra la sala para todos.'],
  'message.token-expiring': ['Access is about to end', 'El acceso está por vencer'],
  'message.token-expiring.text': ['The server asks for a fresh token.', 'El servidor pide una clave nueva.'],
  'message.refresh-token': ['Shows a fresh token', 'Muestra una clave nueva'],
  'message.refresh-token.text': ['So that the connection may stay.', 'Para que la conexión pueda seguir.'],
  'message.ping': ['Are you there?', '¿Está ahí?'],
  'message.ping.text': ['Checks that the connection still lives.', 'Comprueba que la conexión sigue viva.'],
  'message.pong': ['Still here', 'Aquí estoy'],
  'message.pong.text': ['The answer to a ping.', 'La respuesta a un ping.'],
  'message.ack': ['Received', 'Recibido'],
  'message.ack.text': ['The server has accepted a message.', 'El servidor ha aceptado un mensaje.'],
  'message.error': ['Refused: {code}', 'Rechazado: {code}'],
  'message.error.text': ['The server has not accepted something.', 'El servidor no ha aceptado algo.'],
};

/** @type {Language} */
let language = 'en';

/** What the browser or an earlier visit prefers. @returns {Language} */
export function preferredLanguage() {
  const wanted = [remembered(), ...navigator.languages].map((tag) => tag?.slice(0, 2).toLowerCase());
  return wanted.find((tag) => tag === 'es' || tag === 'en') === 'es' ? 'es' : 'en';
}

/** @param {Language} chosen */
export function setLanguage(chosen) {
  language = chosen;
  try {
    localStorage.setItem('autamedica.language', chosen);
  } catch {
    // A browser may forbid storage. Then the choice lasts as long as the page.
  }
}

/** The language that `text` speaks. */
export function currentLanguage() {
  return language;
}

/** @param {string} key @param {Record<string, string | number>} [parts] */
export function text(key, parts = {}) {
  const words = TEXTS[key]?.[language === 'es' ? 1 : 0] ?? key;
  const filled = words.replace(/\{(\w+)\}/g, (whole, name) => String(parts[name] ?? whole));
  const contracted = language === 'es' ? filled.replace(/(?<=^|\s)(de|a) el(?=\s|$|[.,])/gi, '$1l') : filled;
  return contracted.charAt(0).toLocaleUpperCase(language) + contracted.slice(1);
}

/** Like `text`, for use inside a sentence. @param {string} key */
export function inSentence(key) {
  return TEXTS[key]?.[language === 'es' ? 1 : 0] ?? key;
}

/** Whether there are words for it. @param {string} key */
export function hasText(key) {
  return key in TEXTS;
}

function remembered() {
  try {
    return localStorage.getItem('autamedica.language');
  } catch {
    return null;
  }
}
