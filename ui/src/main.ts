/** Where the page begins. */
import '@fontsource-variable/inter/wght.css';
import '@fontsource-variable/jetbrains-mono/wght.css';
import './app.css';
import { mount } from 'svelte';
import { begin } from '$lib/stores/beginning';
import App from './App.svelte';

const target = document.getElementById('app');
begin();
if (target) mount(App, { target });
